from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import GateError, VerificationError
from synth_stack.packs.gate_log import (
    MAX_COUNT,
    MAX_COUNTS,
    Measures,
    add_counts,
    parse_measures,
    render_measures,
)
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.locks import GateLock
from synth_stack.runs.self_tests import KindCount, measure

GATES = (
    GateLock(use="dedup", version="1", canaries=50, min_recall=0.9, max_unfair=0.1),
    GateLock(use="structure", version="1"),
    GateLock(use="contamination", version="2", canaries=40, min_recall=0.5),
    GateLock(use="old", version="1"),
)


def fill(dedup: Sequence[KindCount] = (), contamination: Sequence[KindCount] = ()) -> Measures:
    recalls = (
        measure("dedup", dedup, GATES[0].asked),
        measure("contamination", contamination, GATES[2].asked),
    )
    return Measures(recalls, {"contamination": {"tried": 7, "untried": 2}, "old": {"looked_twice": 0}})


def judged(*evidence: Any, gate: str = "contamination") -> pa.Table:
    said = [value if value is None or type(value) is str else canonical_text(value) for value in evidence]
    ids = pa.array([f"{i:032x}" for i in range(len(said))])
    return build_verdicts(ids, gate, ["accept"] * len(said), evidence=said)


def add(*tables: pa.Table) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for table in tables:
        add_counts(counts, table)
    return counts


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=8), st.integers(1, 5)),
        unique_by=lambda kind: kind[0],
        max_size=8,
    )
)
def test_measures_come_back_as_they_were_written(kinds: list[tuple[str, int]]) -> None:
    measures = fill([KindCount(name, n, n) for name, n in kinds])
    assert parse_measures(render_measures(measures, GATES), GATES, {}) == measures


def test_a_gate_that_was_not_measured_is_not_in_the_file() -> None:
    value = orjson.loads(render_measures(fill(), GATES))
    assert [entry["gate"] for entry in value["gates"]] == ["dedup", "contamination", "old"]
    assert value["gates"][0] == {"gate": "dedup", "self_test": {"canaries": [], "controls": []}, "counts": {}}
    assert value["gates"][2] == {"gate": "old", "self_test": None, "counts": {"looked_twice": 0}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"gate":"old"', b'"gate":"new"', "not what this package writes of the gates"),
        (b'"gate":"old"', b'"gate":"dedup"', "does not say how dedup did"),
        (b'"gate":"dedup"', b'"gate":"drift"', "does not say how dedup did"),
        (b'"tried":7', b'"tried":-7', "greater than or equal to 0"),
        (b'"tried":7', b'"tried":true', "valid integer"),
        (b'"tried":7', b'"tried":9007199254740992', "less than or equal to 9007199254740991"),
        (b'"tried":7', b'"Tried it":7', "String should match pattern"),
        (b'"tried":7,"untried":2', b'"untried":2,"tried":7', "not what this package writes"),
        (b'"counts":{}', b'"counts":null', "should be an object"),
        (b'"self_test":{"canaries":[],"controls":[]}', b'"self_test":null', "does not say how dedup did"),
        (b'"self_test":null', b'"self_test":{"canaries":[],"controls":[]}', "not what this package writes"),
    ],
)
def test_measures_of_other_gates_or_in_another_form_are_refused(old: bytes, new: bytes, said: str) -> None:
    data = render_measures(fill(), GATES)
    assert old in data
    with pytest.raises(VerificationError, match=said):
        parse_measures(data.replace(old, new, 1), GATES, {})


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b"{}"])
def test_what_is_no_measures_gives_a_sentence(data: bytes) -> None:
    with pytest.raises(VerificationError, match=r"^log/gates\.json: "):
        parse_measures(data, GATES, {})


def test_an_entry_for_a_gate_that_is_not_there_is_refused() -> None:
    data = render_measures(fill(), GATES)
    with pytest.raises(VerificationError):
        parse_measures(data, GATES[:3], {})


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([KindCount("copy", 20, 3)], "blind gate: dedup caught 3 of 20 planted rows of kind copy"),
        ([KindCount("code", 20, 3, control=True)], "unfair gate: dedup turned away 3 of 20 innocent rows"),
        ([KindCount("copy", 51, 51)], "has more rows of a kind than it was asked for"),
    ],
)
def test_a_self_test_that_failed_or_cannot_be_is_refused(kinds: list[KindCount], said: str) -> None:
    with pytest.raises(VerificationError, match=said):
        parse_measures(render_measures(fill(kinds), GATES), GATES, {})


def test_what_gates_count_is_added_up_by_gate_and_name_over_all_tables() -> None:
    table = judged(
        {"counts": {"tried": 3, "untried": 1}}, None, {"item": "x"}, {"counts": {"tried": 4}}, {"counts": {}}
    )
    other = judged({"counts": {"tried": 100, "short_listed": 1}}, gate="other")
    assert add(table, other, table) == {
        "contamination": {"tried": 14, "untried": 2},
        "other": {"tried": 100, "short_listed": 1},
    }
    assert add(VERDICT_SCHEMA.empty_table()) == {}


@pytest.mark.parametrize(
    "evidence", [{"item_text": '{"counts":{"tried":9}}'}, {"x": {"counts": {"tried": 5}}}]
)
def test_evidence_that_only_quotes_counts_counts_nothing(evidence: Any) -> None:
    assert add(judged(evidence)) == {}


@pytest.mark.parametrize(
    "counts",
    [
        *({"tried": "many"}, {"tried": [1]}, {"tried": 1.5}, {"tried": -1}, {"tried": True}, {"tried": None}),
        *({"Tried it": 1}, {"": 1}, {"x" * 65: 1}, [1], 3, "three"),
        {"tried": MAX_COUNT + 1},
    ],
)
def test_counts_that_are_no_whole_numbers_by_name_are_a_fault_of_the_gate(counts: Any) -> None:
    evidence = orjson.dumps({"counts": counts}).decode()
    with pytest.raises(GateError, match=r"^gate contamination counted something that is no whole number"):
        add(judged(evidence))


@pytest.mark.parametrize("evidence", ['{"counts":', '["counts":]', '"counts":{}'])
def test_evidence_that_is_no_json_is_a_fault_of_the_gate(evidence: str) -> None:
    with pytest.raises(GateError, match=r"^gate contamination counted"):
        add(judged(evidence))


def test_a_gate_cannot_count_without_bounds() -> None:
    most = judged(*({"counts": {f"n{i}": 1}} for i in range(MAX_COUNTS)))
    assert len(add(most)["contamination"]) == MAX_COUNTS
    with pytest.raises(GateError, match=f"more than a pack can hold; seen: {MAX_COUNTS + 1}"):
        add(most, judged({"counts": {"one_more": 1}}))
    with pytest.raises(GateError, match="more than a pack can hold"):
        add(judged({"counts": {"tried": MAX_COUNT}}, {"counts": {"tried": 1}}))
