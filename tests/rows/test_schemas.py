from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.rows.schemas import (
    CANDIDATE_FIELDS,
    CANDIDATE_SCHEMA,
    CONTENT_FIELDS,
    ORIGIN_FIELDS,
    ROW_SCHEME,
    VERDICT_SCHEMA,
    build_candidates,
    build_verdicts,
    canonical_row,
    recompute_row_ids,
    row_id_of,
)
from tests.arbitrary_rows import draw_rows, draw_values
from tests.examples import examples

columns = {f.type: draw_values(f.type) for f in CANDIDATE_FIELDS}
rows = draw_rows()


def drop_nulls(value: Any) -> Any:
    """The value without the null fields of its mappings."""
    if isinstance(value, dict):
        return {name: drop_nulls(item) for name, item in value.items() if item is not None}
    return [drop_nulls(item) for item in value] if isinstance(value, list) else value


ROW: dict[str, Any] = {
    "kind": "instruction",
    "slice": "billing/refund",
    "locale": "en-GB",
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}],
    "tools": None,
    "alternatives": None,
    "documents": None,
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
    "models": None,
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
        "content": {f.name: drop_nulls(row[f.name]) for f in CONTENT_FIELDS},
        "origin": {f.name: drop_nulls(row[f.name]) for f in ORIGIN_FIELDS},
    }


@given(rows)
def test_the_fast_canonical_row_is_that_of_the_reference_implementation(row: dict[str, Any]) -> None:
    assert canonical_row(row) == rfc8785.dumps(wrap(row))


@pytest.mark.parametrize("code", [*range(0x20), 0x22, 0x5C, 0x7F, 0x2028, 0xFFFF, 0x1F600])
def test_every_character_that_json_escapes_is_escaped_as_rfc_8785_says(code: int) -> None:
    row = {**ROW, "text": chr(code)}

    assert canonical_row(row) == rfc8785.dumps(wrap(row))


def test_the_id_of_a_row_never_changes_between_versions() -> None:
    call = {"id": "c1", "name": "find", "arguments": '{"q": "x"}'}
    side = {"label": "chosen", "messages": [{"role": "assistant", "reasoning": "?", "tool_calls": [call]}]}

    assert row_id_of(ROW) == "b3b8abb23fd231aea5eff5623e2d543c"
    assert row_id_of({**ROW, "tools": "[]", "alternatives": [side]}) == "9ad490d090ea81a14caba428ca3ef3c4"


@given(rows, st.data())
def test_a_row_with_any_field_changed_has_another_id(row: dict[str, Any], data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(CANDIDATE_FIELDS))
    kept = drop_nulls(row[field.name])
    other = data.draw(columns[field.type].filter(lambda value: drop_nulls(value) != kept))

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


@settings(max_examples=examples(40))
@given(st.lists(rows, max_size=4))
def test_the_ids_in_a_table_are_those_that_its_rows_give(drafts: list[dict[str, Any]]) -> None:
    table = build_candidates(drafts)

    assert table.schema.equals(CANDIDATE_SCHEMA)
    assert table["row_id"].to_pylist() == recompute_row_ids(table) == [row_id_of(row) for row in drafts]


@settings(max_examples=examples(40))
@given(rows)
def test_the_id_of_a_row_survives_parquet_and_polars(draft: dict[str, Any]) -> None:
    table = build_candidates([draft])
    file = pa.BufferOutputStream()
    pq.write_table(table, file)
    read = pq.ParquetFile(pa.BufferReader(file.getvalue())).read()

    assert read.schema.equals(CANDIDATE_SCHEMA)
    assert recompute_row_ids(read) == [row_id_of(draft)]
    assert recompute_row_ids(pl.DataFrame(table).to_arrow().cast(CANDIDATE_SCHEMA)) == [row_id_of(draft)]


CALL = {"id": "c1", "name": "find", "arguments": "{}"}


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ({"role": "assistant", "content": "Hi", "reasoning": None, "tool_calls": None}, True),
        ({"content": "Hi", "role": "assistant", "name": None}, True),
        ({"role": "assistant", "content": "Hi", "tool_calls": []}, False),
        ({"role": "assistant", "content": "Hi", "reasoning": ""}, False),
        ({"role": "assistant", "content": "Hi", "tool_calls": [CALL]}, False),
    ],
)
def test_a_null_in_a_message_is_as_if_absent_and_an_empty_value_is_not(
    said: dict[str, Any], same: bool
) -> None:
    plain = row_id_of({**ROW, "messages": [{"role": "assistant", "content": "Hi"}]})

    assert (row_id_of({**ROW, "messages": [said]}) == plain) is same


def test_nulls_are_left_out_at_every_depth() -> None:
    side = {"label": "chosen", "messages": [{"role": "assistant", "tool_calls": [CALL]}]}
    full = {
        **dict.fromkeys(("rating", "ratings", "model")),
        "label": "chosen",
        "messages": [{"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": None}]}],
    }
    bare = {**side, "messages": [{"role": "assistant", "tool_calls": [{"name": "find", "arguments": "{}"}]}]}

    assert row_id_of({**ROW, "alternatives": [full]}) == row_id_of({**ROW, "alternatives": [bare]})
    assert row_id_of({**ROW, "alternatives": [full]}) != row_id_of({**ROW, "alternatives": [side]})


def test_no_alternatives_and_an_empty_list_of_them_are_different_rows() -> None:
    values: list[list[dict[str, Any]] | None] = [None, [], [{}]]

    assert len({row_id_of({**ROW, "alternatives": value}) for value in values}) == 3


def test_a_tuple_of_messages_is_a_list_of_them() -> None:
    said = ({"role": "user", "content": "Hi", "name": None},)

    assert recompute_row_ids(build_candidates([{**ROW, "messages": said}])) == [
        row_id_of({**ROW, "messages": list(said)})
    ]


@pytest.mark.parametrize(
    ("name", "value", "unknown"),
    [
        ("messages", [{"role": "user", "content": "Hi", "weight": 1}], "messages.weight"),
        ("messages", [{"tool_calls": [{"function": {}}]}], "messages.tool_calls.function"),
        ("alternatives", [{"messages": [{"text": "Hi"}]}], "alternatives.messages.text"),
        ("documents", [{"url": "a"}], "documents.url"),
        ("models", [{"role": "writer"}], "models.role"),
        ("attachments", [{"name": "a"}], "attachments.name"),
    ],
)
def test_a_nested_field_that_there_is_not_is_refused(name: str, value: object, unknown: str) -> None:
    with pytest.raises(ValueError, match=f"a row has {unknown}, and there is no such field"):
        build_candidates([{**ROW, name: value}])


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


def test_a_verdict_table_has_one_row_per_id_and_one_threshold() -> None:
    table = build_verdicts(
        pa.array(["a", "b"]),
        "dedup",
        ["accept", "reject"],
        scores=[0.1, 0.9],
        threshold=0.85,
        reason_classes=[None, "dedup.near_duplicate"],
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
            "reason_class": kind,
            "evidence": None,
            "scope": "row",
        }
        for row_id, outcome, score, kind in [
            ("a", "accept", 0.1, None),
            ("b", "reject", 0.9, "dedup.near_duplicate"),
        ]
    ]
    assert build_verdicts(pa.array([], pa.string()), "dedup", []).num_rows == 0


def test_columns_of_unequal_length_are_no_verdict_table() -> None:
    with pytest.raises(pa.ArrowInvalid):
        build_verdicts(pa.array(["a", "b"]), "dedup", ["accept"])
