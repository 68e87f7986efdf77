from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import VerificationError
from synth_stack.packs.gate_log import Measures, Trials, count_trials, parse_measures, render_measures
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.canary_recall import KindCount, measure_recall
from synth_stack.runs.locks import GateLock

AGAINST = [{"name": "gsm8k", "sha256": "e" * 64, "items": 3}]
GATES = (
    GateLock(use="dedup", version="1", canaries=50, min_recall=0.9),
    GateLock(use="structure", version="1"),
    GateLock(use="contamination", version="2", canaries=40, min_recall=0.5, facts={"against": AGAINST}),
    GateLock(use="old", version="1", facts={"against": AGAINST}),
)


def measure(dedup: Sequence[KindCount] = (), contamination: Sequence[KindCount] = ()) -> Measures:
    recalls = (
        measure_recall("dedup", dedup, min_recall=0.9),
        measure_recall("contamination", contamination, min_recall=0.5),
    )
    return Measures(recalls, {"contamination": Trials(7, 2), "old": Trials()})


def judged(*evidence: Any, gate: str = "contamination") -> pa.Table:
    said = [None if value is None else canonical_text(value) for value in evidence]
    ids = pa.array([f"{i:032x}" for i in range(len(said))])
    return build_verdicts(ids, gate, ["accept"] * len(said), evidence=said)


@given(
    st.lists(st.tuples(st.text(max_size=8), st.integers(0, 5)), unique_by=lambda kind: kind[0], max_size=8)
)
def test_measures_come_back_as_they_were_written(kinds: list[tuple[str, int]]) -> None:
    measures = measure([KindCount(name, n, n) for name, n in kinds])
    assert parse_measures(render_measures(measures, GATES), GATES) == measures


def test_a_gate_that_was_not_measured_is_not_in_the_file() -> None:
    value = orjson.loads(render_measures(measure(), GATES))
    assert [entry["gate"] for entry in value["gates"]] == ["dedup", "contamination", "old"]
    assert value["gates"][0] == {"gate": "dedup", "canaries": [], "trials": None}
    assert value["gates"][2] == {"gate": "old", "canaries": None, "trials": {"tried": 0, "untried": 0}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"gate":"old"', b'"gate":"new"', "not of the gates with eval sets"),
        (b'"gate":"dedup"', b'"gate":"old"', "not of the gates with canaries"),
        (b'"tried":7', b'"tried":-7', "greater than or equal to 0"),
        (b'"tried":7', b'"tried":true', "valid integer"),
        (b'"tried":7,', b"", "Field required"),
        (b'"canaries":[]', b'"canaries":null', "not of the gates with canaries"),
        (b'"canaries":null', b'"canaries":[]', "not of the gates with canaries"),
    ],
)
def test_measures_of_other_gates_or_in_another_form_are_refused(old: bytes, new: bytes, said: str) -> None:
    data = render_measures(measure(), GATES)
    assert old in data
    with pytest.raises(VerificationError, match=said):
        parse_measures(data.replace(old, new, 1), GATES)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b"{}"])
def test_what_is_no_measures_gives_a_sentence(data: bytes) -> None:
    with pytest.raises(VerificationError, match=r"^log/gates\.json: "):
        parse_measures(data, GATES)


def test_an_entry_for_a_gate_that_is_not_there_is_refused() -> None:
    data = render_measures(measure(), GATES)
    with pytest.raises(VerificationError):
        parse_measures(data, GATES[:3])


def test_trials_are_added_up_from_the_evidence_of_one_gate() -> None:
    table = pa.concat_tables(
        [
            judged({"tried": 3, "untried": 1}, None, {"item": "x"}, {"tried": 4, "untried": 0}),
            judged({"tried": 100, "untried": 100}, gate="other"),
        ]
    )
    assert count_trials(table, "contamination") == Trials(7, 1)
    assert count_trials(table, "old") == Trials()
    assert count_trials(VERDICT_SCHEMA.empty_table(), "old") == Trials()


def test_evidence_that_only_quotes_a_trial_counts_none() -> None:
    quoted = judged({"item_text": '{"tried":9}'}, {"x": {"tried": 5}}, {"tried": "many"}, {"tried": [1]})
    assert count_trials(quoted, "contamination") == Trials()
