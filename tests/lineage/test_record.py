import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import SigningError, VerificationError
from synth_stack.lineage.merkle import leaf_hash
from synth_stack.lineage.record import RECORD_SCHEMA, build_records, leaves_of
from synth_stack.lineage.record_form import parse_record
from synth_stack.rows.schemas import (
    DECISION_SCHEMA,
    ORIGIN_FIELDS,
    VERDICT_SCHEMA,
    build_verdicts,
    canonical_row,
)
from tests.lineage.shards import CONTEXT, make_candidates, make_decisions, make_records

NO_VERDICTS = VERDICT_SCHEMA.empty_table()

words = st.text(st.characters(codec="utf-8"), max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)


def build_one(**verdict: Any) -> dict[str, Any]:
    """The record of one row that one gate judged so."""
    candidates = make_candidates(1)
    fields = {"gate": "dedup", "outcome": "accept", "scope": "row", **verdict}
    verdicts = pa.Table.from_pylist(
        [{"row_id": candidates["row_id"][0].as_py(), **fields}], schema=VERDICT_SCHEMA
    )
    table = build_records(candidates, verdicts, make_decisions(candidates), context=CONTEXT)
    record: dict[str, Any] = parse_record(table["record"][0].as_py())
    return record


def edit(**changes: Any) -> bytes:
    """A sound record with some keys set and encoded canonically again."""
    record = json.loads(make_records(make_candidates(1))["record"][0].as_py())
    for path, value in changes.items():
        *parents, key = path.split("__")
        place = record
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        place[key] = value
    return rfc8785.dumps(record)


def test_a_record_holds_digest_origin_verdicts_and_decision() -> None:
    candidates = make_candidates(1, seed_id="seed-1", parent_id=None)
    ids = candidates["row_id"]
    verdicts = pa.concat_tables(
        [
            build_verdicts(ids, "toxicity", ["abstain"]),
            build_verdicts(
                ids,
                "dedup",
                ["reject"],
                scores=[0.91],
                threshold=0.85,
                reasons=["near duplicate"],
                reason_classes=["dedup.near_duplicate"],
                evidence=['{"jaccard":0.91,"twin":"x"}'],
            ),
        ]
    )
    decisions = make_decisions(candidates, ["rejected"])
    row = candidates.to_pylist()[0]
    table = build_records(candidates, verdicts, decisions, context=CONTEXT)
    assert json.loads(table["record"][0].as_py()) == {
        "scheme": "synth_stack/lineage/v2",
        "row_id": row["row_id"],
        "row_sha256": hashlib.sha256(canonical_row(row)).hexdigest(),
        "kind": "instruction",
        "slice": "billing/duplicate_charge",
        "locale": "en",
        "failure": None,
        "origin": {field.name: row[field.name] for field in ORIGIN_FIELDS},
        "verdicts": [
            {
                "gate": "toxicity",
                "outcome": "abstain",
                "score": None,
                "threshold": None,
                "reason": None,
                "reason_class": None,
                "cites": None,
                "evidence_sha256": None,
                "scope": "row",
            },
            {
                "gate": "dedup",
                "outcome": "reject",
                "score": "0.91",
                "threshold": "0.85",
                "reason": "near duplicate",
                "reason_class": "dedup.near_duplicate",
                "cites": {"twin": "x"},
                "evidence_sha256": hashlib.sha256(b'{"jaccard":0.91,"twin":"x"}').hexdigest(),
                "scope": "row",
            },
        ],
        "decision": {
            "decision": "rejected",
            "gate": "dedup",
            "reason": "near duplicate",
            "reason_class": "dedup.near_duplicate",
            "replaced_by": None,
        },
        "context": CONTEXT,
    }


def test_records_keep_the_order_of_the_candidates_whatever_the_order_of_the_rest() -> None:
    candidates = make_candidates(5)
    ids = candidates["row_id"].to_pylist()
    dedup = build_verdicts(candidates["row_id"], "dedup", ["accept"] * 5)
    toxicity = build_verdicts(pa.chunked_array([ids[3:], ids[:2]]), "toxicity", ["accept"] * 4)
    decisions = make_decisions(candidates, ["accepted", "held", "rejected", "accepted", "held"])
    table = build_records(
        candidates, pa.concat_tables([dedup, toxicity]), decisions.take([4, 2, 0, 1, 3]), context=CONTEXT
    )
    records = [parse_record(data) for data in table["record"].to_pylist()]
    assert table.schema == RECORD_SCHEMA
    assert table["row_id"].to_pylist() == ids == [record["row_id"] for record in records]
    assert table["decision"].to_pylist() == ["accepted", "held", "rejected", "accepted", "held"]
    assert [record["decision"]["decision"] for record in records] == table["decision"].to_pylist()
    gates = [[verdict["gate"] for verdict in record["verdicts"]] for record in records]
    assert gates == [["dedup", "toxicity"], ["dedup", "toxicity"], ["dedup"], *[["dedup", "toxicity"]] * 2]


def test_the_verdicts_on_a_row_keep_the_order_of_the_gates_in_a_large_shard() -> None:
    candidates, gates = make_candidates(500), ["toxicity", "dedup", "drift", "contamination"]
    verdicts = [build_verdicts(candidates["row_id"], gate, ["accept"] * 500) for gate in gates]
    table = build_records(candidates, pa.concat_tables(verdicts), make_decisions(candidates), context=CONTEXT)
    for data in table["record"].to_pylist():
        assert [verdict["gate"] for verdict in parse_record(data)["verdicts"]] == gates


def test_the_leaf_is_the_hash_of_the_records_bytes() -> None:
    table = make_records(make_candidates(3))
    assert table["leaf"].to_pylist() == [leaf_hash(data) for data in table["record"].to_pylist()]
    assert leaves_of(table).shape == (3, 32)


def test_equal_shards_give_equal_bytes_however_their_columns_are_chunked() -> None:
    candidates = make_candidates(7)
    chunked = pa.concat_tables([candidates.slice(0, 3), candidates.slice(3)])
    assert make_records(chunked).equals(make_records(candidates))


def test_a_row_that_no_gate_saw_has_no_verdicts() -> None:
    candidates = make_candidates(2, failure="the teacher answered nothing")
    decisions = make_decisions(candidates, ["rejected", "rejected"])
    table = build_records(candidates, NO_VERDICTS, decisions, context=CONTEXT)
    record = parse_record(table["record"][1].as_py())
    assert (record["verdicts"], record["failure"]) == ([], "the teacher answered nothing")


def test_an_empty_shard_has_no_records() -> None:
    table = make_records(make_candidates(0))
    assert (len(table), table.schema) == (0, RECORD_SCHEMA)
    assert leaves_of(table).shape == (0, 32)


def test_a_batch_made_without_a_recipe_says_so() -> None:
    candidates = make_candidates(1)
    context = {"recipe_sha256": None, "gates_sha256": "b" * 64}
    table = build_records(candidates, NO_VERDICTS, make_decisions(candidates), context=context)
    assert parse_record(table["record"][0].as_py())["context"] == context


@given(score=floats, threshold=floats)
def test_every_float_comes_back_exactly_from_its_string(score: float, threshold: float) -> None:
    verdict = build_one(score=score, threshold=threshold)["verdicts"][0]
    assert (float(verdict["score"]), float(verdict["threshold"])) == (score, threshold)
    assert verdict["score"] == repr(score)


@given(reason=words, gate=words, slice_=words, seed=words, draw=st.integers(0, 2**53 - 1))
def test_the_bytes_are_those_of_the_reference_rfc_8785(
    reason: str, gate: str, slice_: str, seed: str, draw: int
) -> None:
    candidates = make_candidates(1, first=draw, slice=slice_, seed_id=seed, rng_seed=None)
    verdicts = build_verdicts(candidates["row_id"], gate, ["hold"], reasons=[reason])
    table = build_records(candidates, verdicts, make_decisions(candidates), context=CONTEXT)
    data = table["record"][0].as_py()
    assert rfc8785.dumps(json.loads(data)) == data
    assert parse_record(data)["verdicts"][0]["reason"] == reason


def test_records_survive_parquet(tmp_path: Path) -> None:
    table = make_records(make_candidates(3))
    pq.write_table(table, tmp_path / "records.parquet")
    again = pq.read_table(tmp_path / "records.parquet")
    assert again.schema == RECORD_SCHEMA
    assert again.equals(table)


def test_leaves_of_a_slice_are_those_of_its_rows() -> None:
    table = make_records(make_candidates(6))
    assert np.array_equal(leaves_of(table.slice(2, 3)), leaves_of(table)[2:5])


def test_a_row_changed_after_it_was_named_is_refused() -> None:
    candidates = make_candidates(3)
    texts = candidates["text"].to_pylist()
    texts[1] += "!"
    column = candidates.schema.get_field_index("text")
    changed = candidates.set_column(column, candidates.schema.field(column), [texts])
    with pytest.raises(SigningError, match=candidates["row_id"][1].as_py()):
        build_records(changed, NO_VERDICTS, make_decisions(candidates), context=CONTEXT)


def test_a_row_that_stands_twice_is_refused() -> None:
    candidates = make_candidates(2)
    twice = pa.concat_tables([candidates, candidates.slice(1)])
    with pytest.raises(SigningError, match="twice"):
        build_records(twice, NO_VERDICTS, make_decisions(twice), context=CONTEXT)


def test_a_row_without_a_decision_is_refused_by_name() -> None:
    candidates = make_candidates(2)
    with pytest.raises(SigningError, match=f"no decision; seen: {candidates['row_id'][1].as_py()}"):
        build_records(candidates, NO_VERDICTS, make_decisions(candidates).slice(0, 1), context=CONTEXT)


def test_a_decision_on_no_row_or_a_second_one_is_refused() -> None:
    candidates = make_candidates(2)
    for extra in (make_decisions(candidates).slice(0, 1), make_decisions(make_candidates(1, first=9))):
        decisions = pa.concat_tables([make_decisions(candidates), extra])
        with pytest.raises(SigningError, match="not one a row; seen: 3; allowed: 2 rows"):
            build_records(candidates, NO_VERDICTS, decisions, context=CONTEXT)


def test_a_verdict_on_no_row_is_refused_by_name() -> None:
    candidates, stray = make_candidates(2), make_candidates(1, first=9)
    verdicts = build_verdicts(stray["row_id"], "dedup", ["accept"])
    with pytest.raises(SigningError, match=stray["row_id"][0].as_py()):
        build_records(candidates, verdicts, make_decisions(candidates), context=CONTEXT)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["score", "threshold"])
def test_a_number_that_is_not_finite_is_refused(name: str, number: float) -> None:
    with pytest.raises(SigningError, match=f"gate dedup gave row [0-9a-f]{{32}} a {name}"):
        build_one(**{name: number})


@pytest.mark.parametrize(("name", "word"), [("outcome", "maybe"), ("scope", "galaxy")])
def test_a_word_that_no_gate_has_is_refused(name: str, word: str) -> None:
    with pytest.raises(SigningError, match=f"seen: {word}"):
        build_one(**{name: word})


@pytest.mark.parametrize(
    ("evidence", "cites"),
    [
        (None, None),
        ("{}", None),
        ('{"counts":{"tried":3}}', None),
        (
            '{"eval_set":"gsm8k","item":"test/3","item_text":"How many"}',
            {"eval_set": "gsm8k", "item": "test/3"},
        ),
        ('{"replaced_by":"x","twin":["y"],"item":7,"eval_set":null}', {"replaced_by": "x"}),
        ('{"found":{"twin":"y"}}', None),
        ('["twin"]', None),
        ("not JSON", None),
        ('{"twin":"\\ud800"}', None),
    ],
)
def test_what_evidence_cites_stands_in_the_clear_and_the_rest_as_a_digest(
    evidence: str | None, cites: dict[str, str] | None
) -> None:
    verdict = build_one(outcome="reject", evidence=evidence)["verdicts"][0]
    assert verdict["cites"] == cites
    assert (verdict["evidence_sha256"] is None) == (evidence is None)


@pytest.mark.parametrize("name", ["near duplicate", "dedup", "Dedup.twin", "dedup.twin\n", "dedup.", ""])
def test_a_reason_class_that_no_record_can_hold_is_refused(name: str) -> None:
    with pytest.raises(SigningError, match="has a reason_class that is none"):
        build_one(outcome="reject", reason_class=name)


def test_a_decision_that_names_no_row_as_the_replacement_is_refused() -> None:
    candidates = make_candidates(1)
    decisions = make_decisions(candidates).to_pylist()
    decisions[0]["replaced_by"] = "row 7"
    table = pa.Table.from_pylist(decisions, schema=DECISION_SCHEMA)
    with pytest.raises(SigningError, match="replaced_by that is none; seen: row 7"):
        build_records(candidates, NO_VERDICTS, table, context=CONTEXT)


def test_a_decision_that_does_not_exist_is_refused() -> None:
    candidates = make_candidates(1)
    with pytest.raises(SigningError, match="seen: perhaps; allowed: accepted, rejected, held"):
        build_records(candidates, NO_VERDICTS, make_decisions(candidates, ["perhaps"]), context=CONTEXT)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"recipe_sha256": "a" * 64},
        {**CONTEXT, "host": "laptop"},
        {**CONTEXT, "gates_sha256": "A" * 64},
        {**CONTEXT, "gates_sha256": "a" * 64 + "\n"},
    ],
)
def test_a_context_that_is_not_the_two_digests_is_refused(context: dict[str, str | None]) -> None:
    candidates = make_candidates(1)
    with pytest.raises(SigningError):
        build_records(candidates, NO_VERDICTS, make_decisions(candidates), context=context)


def test_a_table_of_something_else_is_refused() -> None:
    candidates = make_candidates(1)
    decisions = make_decisions(candidates)
    with pytest.raises(SigningError, match="the candidates are not a table of candidates"):
        build_records(pa.table({"text": ["x"]}), NO_VERDICTS, decisions, context=CONTEXT)
    nameless = decisions.set_column(0, "row_id", pa.array([None], pa.string()))
    with pytest.raises(SigningError, match="the decisions are not a table of decisions"):
        build_records(candidates, NO_VERDICTS, nameless, context=CONTEXT)
    assert nameless.cast(pa.schema([f.with_nullable(True) for f in DECISION_SCHEMA]))["row_id"].null_count


def test_a_sound_record_is_read_back() -> None:
    table = make_records(make_candidates(1))
    record = parse_record(table["record"][0].as_py())
    assert record["row_id"] == table["row_id"][0].as_py()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheme": "synth_stack/lineage/v1"}, "scheme"),
        ({"reviewer": None}, "reviewer"),
        ({"origin__host": "laptop"}, "origin.host"),
        ({"verdicts__0__note": ""}, "verdicts.0.note"),
        ({"context__prompt_sha256": None}, "context.prompt_sha256"),
        ({"origin": {}}, "origin"),
        ({"origin__draw": "1"}, "integer"),
        ({"origin__draw": True}, "integer"),
        ({"origin__draw": None}, "integer"),
        ({"origin__replayable": 1}, "boolean"),
        ({"kind": None}, "kind"),
        ({"slice": 7}, "slice"),
        ({"verdicts": None}, "verdicts"),
        ({"verdicts__0__score": 0.25}, "score"),
        ({"verdicts__0__score": "0.250"}, "shortest decimal"),
        ({"verdicts__0__score": "1"}, "shortest decimal"),
        ({"verdicts__0__threshold": "1e+999"}, "shortest decimal"),
        ({"verdicts__0__score": "nan"}, "pattern"),
        ({"verdicts__0__score": "0.25\n"}, "pattern"),
        ({"verdicts__0__score": "٠.٢٥"}, "pattern"),
        ({"verdicts__0__outcome": "maybe"}, "outcome"),
        ({"verdicts__0__scope": "galaxy"}, "scope"),
        ({"verdicts__0__evidence_sha256": "A" * 64}, "evidence_sha256"),
        ({"verdicts__0__reason_class": "near duplicate"}, "reason_class"),
        ({"verdicts__0__cites": {}}, "cites nothing"),
        ({"verdicts__0__cites": {"twin": None}}, "cites.twin"),
        ({"verdicts__0__cites": {"friend": "x"}}, "cites.friend"),
        ({"decision__decision": "perhaps"}, "decision"),
        ({"decision__reason_class": "dedup"}, "reason_class"),
        ({"decision__replaced_by": "x" * 32}, "replaced_by"),
        ({"row_id": "0" * 32}, "does not begin row_sha256"),
        ({"row_id": "0" * 33}, "row_id"),
        ({"row_sha256": "x" * 64}, "row_sha256"),
        ({"context__gates_sha256": "b" * 64 + "\n"}, "gates_sha256"),
    ],
)
def test_a_record_that_no_batch_can_hold_is_refused(changes: dict[str, Any], message: str) -> None:
    parse_record(edit())  # a form that was met excuses nothing
    with pytest.raises(VerificationError, match=message) as caught:
        parse_record(edit(**changes), where="lineage/records-00000.parquet: row x")
    assert str(caught.value).startswith("lineage/records-00000.parquet: row x")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b" " + data,
        lambda data: data + b"\n",
        lambda data: data.replace(b'"kind":"instruction"', b'"kind": "instruction"'),
        lambda data: data.replace(b'"kind":"instruction"', b'"kind":"code","kind":"instruction"'),
        lambda data: data.replace(b'"instruction"', b'"\\u0069nstruction"'),
        lambda data: data.replace(b'"draw":0', b'"draw":0.0'),
        lambda data: data.replace(b'"draw":0', b'"draw":-0'),
        lambda data: data.replace(b'"draw":0', b'"draw":9007199254740992'),
        lambda data: data.replace(b'"draw":0', b'"draw":1' + b"0" * 30),
        lambda data: data.replace(b"billing", b"\xff\xfe"),
        lambda data: data.replace(b"billing", b"\\ud800"),
        lambda data: json.dumps(json.loads(data), separators=(",", ":")).encode()[::-1],
        lambda data: data[:-1],
        lambda _: b"",
        lambda _: b"null",
        lambda _: b"[]",
        lambda _: b"[" * 100_000,
    ],
)
def test_bytes_that_are_not_the_canonical_ones_are_refused(spoil: Any) -> None:
    data = make_records(make_candidates(1))["record"][0].as_py()
    spoiled = spoil(data)
    assert spoiled != data
    with pytest.raises(VerificationError):
        parse_record(spoiled)


def test_text_of_a_forger_cannot_reach_the_terminal() -> None:
    data = make_records(make_candidates(1))["record"][0].as_py()
    with pytest.raises(VerificationError) as caught:
        parse_record(data[:-1] + rb',"\u001b[2Jkey":"\u001b[31m"}')
    assert str(caught.value).isprintable()
