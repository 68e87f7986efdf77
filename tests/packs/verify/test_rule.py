from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.decisions.decide import Rule, decide
from synth_stack.errors import VerificationError
from synth_stack.lineage.record import build_records, parse_record
from synth_stack.packs.verify.rule import check_decisions, read_rule
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import OUTCOMES, build_verdicts
from synth_stack.runs.locks import GateLock, GatesLock, RuleLock
from tests.lineage.shards import CONTEXT, make_candidates

RULE = Rule(("one", "two"))
FILE = "lineage/records-00000.parquet"


def record(said: dict[str, list[str]], **fields: Any) -> list[dict[str, Any]]:
    """The records of rows of which each gate said one outcome a row, decided by the rule."""
    n = len(next(iter(said.values())))
    rows = make_candidates(n, **fields)
    verdicts = [
        build_verdicts(
            rows["row_id"],
            gate,
            outcomes,
            reasons=[f"{gate} says {outcome}" for outcome in outcomes],
            reason_classes=[None if o in {"accept", "abstain"} else f"{gate}.{o}" for o in outcomes],
            evidence=[canonical_text({"replaced_by": "f" * 32}) if o == "reject" else None for o in outcomes],
        )
        for gate, outcomes in said.items()
    ]
    decisions = decide(rows, verdicts, RULE)
    table = build_records(rows, pa.concat_tables(verdicts), decisions, context=CONTEXT)
    return [parse_record(data) for data in table["record"].to_pylist()]


def lock(*gates: str, **changes: Any) -> GatesLock:
    rule = {**Rule(gates).to_json(), **changes}
    return GatesLock(
        gates=[GateLock(use=name, version="1") for name in gates], rule=RuleLock.model_validate(rule)
    )


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.sampled_from(OUTCOMES)] * 3), min_size=1, max_size=8), st.booleans())
def test_every_decision_that_was_made_of_verdicts_is_found_again(
    outcomes: list[tuple[str, str, str]], broken: bool
) -> None:
    said = {gate: [row[i] for row in outcomes] for i, gate in enumerate(("one", "two", "review"))}
    check_decisions(FILE, record(said, failure="torn" if broken else None), RULE)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("decision", "accepted"),
        ("gate", "two"),
        ("reason", "x"),
        ("reason_class", "one.hold"),
        ("replaced_by", None),
    ],
)
def test_a_decision_that_its_verdicts_do_not_give_is_named(key: str, value: str | None) -> None:
    records = record({"one": ["accept", "reject"], "two": ["accept", "reject"]})
    records[1]["decision"][key] = value
    said = f"^{FILE}: the {key} of row {records[1]['row_id']} is not what its verdicts give"
    with pytest.raises(VerificationError, match=said):
        check_decisions(FILE, records, RULE)


def test_verdicts_in_another_order_than_the_gates_worked_are_named() -> None:
    records = record({"one": ["accept"], "two": ["accept"], "review": ["accept"]})
    for order in ([1, 0, 2], [2, 0, 1]):
        shuffled = [{**records[0], "verdicts": [records[0]["verdicts"][i] for i in order]}]
        with pytest.raises(
            VerificationError, match=f"verdicts on row {records[0]['row_id']} are not in order"
        ):
            check_decisions(FILE, shuffled, RULE)


def test_a_row_that_stands_twice_is_a_problem_of_the_pack() -> None:
    records = record({"one": ["accept"]})
    with pytest.raises(VerificationError, match=f"^{FILE}: the batch holds a row twice"):
        check_decisions(FILE, records * 2, RULE)


def test_no_records_are_no_problem() -> None:
    check_decisions(FILE, [], RULE)


def test_the_rule_of_a_lock_is_that_of_its_gates() -> None:
    assert read_rule(lock("one", "two")) == RULE
    assert read_rule(lock("one", overriding=["auditor"])) == Rule(("one",), ("auditor",))


@pytest.mark.parametrize("changes", [{"order": ["two", "one"]}, {"order": ["one"]}, {"precedence": ["hold"]}])
def test_another_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match=r"^gates\.yaml: its rule is not that of its gates"):
        read_rule(lock("one", "two", **changes))
