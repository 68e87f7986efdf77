import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.rows.canonical import canonical_json, canonical_text, derive_seed, digest_json
from synth_stack.rows.schemas import (
    CANDIDATE_FIELDS,
    CANDIDATE_SCHEMA,
    CONTENT_FIELDS,
    KINDS,
    ORIGIN_FIELDS,
    ROW_SCHEME,
    VERDICT_SCHEMA,
    build_candidates,
    build_verdicts,
    canonical_row,
    recompute_row_ids,
    row_id_of,
)

texts = st.text(st.characters(codec="utf-8"), max_size=30)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
columns = {
    pa.string(): texts,
    pa.int64(): integers,
    pa.bool_(): st.booleans(),
    CANDIDATE_SCHEMA.field("messages").type: st.lists(
        st.fixed_dictionaries({"role": texts, "content": texts}), max_size=3
    ),
    CANDIDATE_SCHEMA.field("attachments").type: st.lists(
        st.fixed_dictionaries({"path": texts, "sha256": texts, "mime": texts}), max_size=2
    ),
}
rows = st.fixed_dictionaries(
    {f.name: st.none() | columns[f.type] if f.nullable else columns[f.type] for f in CANDIDATE_FIELDS}
)

ROW: dict[str, Any] = {
    "kind": "instruction",
    "slice": "billing/refund",
    "locale": "en-GB",
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}],
    "text": "Hi\n\nHello.",
    "attachments": [],
    "failure": None,
    "extra": None,
    "source_id": None,
    "seed_id": "s1",
    "parent_id": None,
    "generator": "magpie",
    "generator_version": "1",
    "teacher": "scripted",
    "teacher_digest": None,
    "template_id": None,
    "params": "{}",
    "draw": 3,
    "rng_seed": 99,
    "replayable": True,
}


def wrap(row: dict[str, Any]) -> dict[str, Any]:
    """The value whose canonical JSON names a row."""
    return {
        "scheme": ROW_SCHEME,
        "content": {f.name: row[f.name] for f in CONTENT_FIELDS},
        "origin": {f.name: row[f.name] for f in ORIGIN_FIELDS},
    }


@given(rows)
def test_the_fast_canonical_row_is_that_of_the_reference_implementation(row: dict[str, Any]) -> None:
    assert canonical_row(row) == rfc8785.dumps(wrap(row))


@pytest.mark.parametrize("code", [*range(0x20), 0x22, 0x5C, 0x7F, 0x2028, 0xFFFF, 0x1F600])
def test_every_character_that_json_escapes_is_escaped_as_rfc_8785_says(code: int) -> None:
    row = {**ROW, "text": chr(code)}

    assert canonical_row(row) == rfc8785.dumps(wrap(row))


def test_the_id_of_a_row_never_changes_between_versions() -> None:
    assert row_id_of(ROW) == "3dc49a2042bb0bb98266a4551ea8afd3"


@given(rows, st.data())
def test_a_row_with_any_field_changed_has_another_id(row: dict[str, Any], data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(CANDIDATE_FIELDS))
    other = data.draw(columns[field.type].filter(lambda value: value != row[field.name]))

    assert row_id_of({**row, field.name: other}) != row_id_of(row)


def test_null_and_empty_text_are_different_rows() -> None:
    assert row_id_of({**ROW, "text": ""}) != row_id_of({**ROW, "text": None})


def test_a_value_that_moves_to_the_next_field_is_another_row() -> None:
    first = {**ROW, "seed_id": "a", "parent_id": None}

    assert row_id_of(first) != row_id_of({**ROW, "seed_id": None, "parent_id": "a"})


@given(rows)
def test_a_row_id_is_32_hexadecimal_characters(row: dict[str, Any]) -> None:
    row_id = row_id_of(row)

    assert len(row_id) == 32
    assert set(row_id) <= set("0123456789abcdef")


@settings(max_examples=40)
@given(st.lists(st.builds(lambda row, kind: {**row, "kind": kind}, rows, st.sampled_from(KINDS)), max_size=5))
def test_the_ids_in_a_table_are_those_that_its_rows_give(drafts: list[dict[str, Any]]) -> None:
    table = build_candidates(drafts)

    assert table.schema.equals(CANDIDATE_SCHEMA)
    assert table["row_id"].to_pylist() == recompute_row_ids(table) == [row_id_of(row) for row in drafts]


def test_an_absent_field_that_may_be_null_is_null() -> None:
    required = {f.name: ROW[f.name] for f in CANDIDATE_FIELDS if not f.nullable}
    table = build_candidates([required])

    assert table["text"].to_pylist() == [None]
    assert table["row_id"].to_pylist() == [
        row_id_of({**dict.fromkeys(f.name for f in CANDIDATE_FIELDS), **required})
    ]


@pytest.mark.parametrize("name", [f.name for f in CANDIDATE_FIELDS if not f.nullable])
def test_a_missing_required_field_is_named(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        build_candidates([{k: v for k, v in ROW.items() if k != name}])


@pytest.mark.parametrize(("name", "value"), [("draw", "three"), ("text", 5), ("replayable", "yes")])
def test_a_value_of_a_wrong_type_is_refused(name: str, value: object) -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        build_candidates([{**ROW, name: value}])


@pytest.mark.parametrize("kind", ["Adversarial", "adversarial ", "chat", ""])
def test_a_kind_that_there_is_not_is_refused_since_it_decides_the_split(kind: str) -> None:
    with pytest.raises(ValueError, match="no kind that there is"):
        build_candidates([{**ROW, "kind": kind}])


@pytest.mark.parametrize(
    ("name", "value"), [("text", "\ud800"), ("draw", 2**53), ("rng_seed", -(2**53)), ("extra", {1, 2})]
)
def test_a_row_that_json_cannot_say_exactly_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="canonical JSON"):
        canonical_row({**ROW, name: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {"\ud800": 1}])
def test_a_value_that_json_cannot_say_exactly_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the reference implementation words it)
        canonical_json(value)


SIMPLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(SIMPLE)
def test_canonical_json_is_what_the_reference_writes_or_refuses(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(ValueError, match="canonical JSON"):
            canonical_json(value)
    else:
        assert canonical_json(value) == expected


def test_canonical_json_follows_the_example_of_rfc_8785_section_3_2_3() -> None:
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }

    order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
    written = canonical_text(value)
    assert sorted(order, key=written.index) == order


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": "1"})
    assert digest_json({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(integers, st.lists(st.integers() | texts, max_size=4))
def test_a_seed_fits_31_bits_and_is_the_same_each_time(run_seed: int, parts: list[object]) -> None:
    seed = derive_seed(run_seed, *parts)

    assert 0 <= seed < 2**31
    assert derive_seed(run_seed, *parts) == seed


def test_a_seed_is_the_same_in_another_process_and_in_every_version() -> None:
    script = "from synth_stack.rows.canonical import derive_seed; print(derive_seed(7, 'magpie', 12))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert int(done.stdout) == derive_seed(7, "magpie", 12) == 1806175309


def test_seeds_of_different_draws_differ() -> None:
    draws = {derive_seed(7, "magpie", draw) for draw in range(1000)}

    assert len(draws) == 1000
    assert derive_seed(7, "ab", "c") != derive_seed(7, "a", "bc")
    assert derive_seed(7, "magpie", 1) != derive_seed(8, "magpie", 1)


def test_a_verdict_table_has_one_row_per_id_and_one_threshold() -> None:
    table = build_verdicts(
        pa.array(["a", "b"]), "dedup", ["accept", "reject"], scores=[0.1, 0.9], threshold=0.85
    )

    assert table.schema.equals(VERDICT_SCHEMA)
    assert table.to_pylist() == [
        {
            "row_id": row_id,
            "gate": "dedup",
            "outcome": outcome,
            "score": score,
            "threshold": 0.85,
            "reason": None,
            "evidence": None,
            "scope": "row",
        }
        for row_id, outcome, score in [("a", "accept", 0.1), ("b", "reject", 0.9)]
    ]
    assert build_verdicts(pa.array([], pa.string()), "dedup", []).num_rows == 0


def test_columns_of_unequal_length_are_no_verdict_table() -> None:
    with pytest.raises(pa.ArrowInvalid):
        build_verdicts(pa.array(["a", "b"]), "dedup", ["accept"])
