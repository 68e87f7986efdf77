"""The decision arithmetic: one decision per row from what every gate said."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.decisions.decide import BatchHold, Rule, decide
from synth_stack.errors import GateError
from synth_stack.rows.schemas import (
    DECISION_SCHEMA,
    OUTCOMES,
    VERDICT_SCHEMA,
    build_candidates,
    build_verdicts,
)
from tests.examples import examples
from tests.some_rows import make_foreign


def make_table(rows: int) -> pa.Table:
    """Foreign candidates without text."""
    return build_candidates(
        make_foreign(None, draw=i, source_id=f"theirs-{i}" if i % 2 else None) for i in range(rows)
    )


def say(table: pa.Table, gate: str, *outcomes: str | None) -> pa.Table:
    """Verdicts of a gate on those rows for which an outcome is given; each gives the outcome as reason."""
    ids = table["row_id"].to_pylist()
    spoken = [(i, o) for i, o in zip(ids, outcomes, strict=True) if o is not None]
    return build_verdicts(
        pa.array([i for i, _ in spoken], pa.string()),
        gate,
        [o for _, o in spoken],
        reasons=[f"{gate} says {o}" if o in {"reject", "hold"} else None for _, o in spoken],
        reason_classes=[f"{gate}.{o}" if o in {"reject", "hold"} else None for _, o in spoken],
        evidence=[f'{{"replaced_by":"{gate} {i[:4]}"}}' if o == "reject" else None for i, o in spoken],
    )


def rule_of(*verdicts: pa.Table) -> Rule:
    """A rule in which gates work in the order in which they are first met."""
    gates = dict.fromkeys(gate for table in verdicts for gate in table["gate"].to_pylist())
    return Rule(tuple(gate for gate in gates if gate != "review"))


def decisions(table: pa.Table, *verdicts: pa.Table) -> list[tuple[str, str | None]]:
    """Decision and deciding gate of each row."""
    decided = decide(table, verdicts, rule_of(*verdicts))
    assert decided.schema.equals(DECISION_SCHEMA)
    assert decided["row_id"].to_pylist() == table["row_id"].to_pylist()
    assert decided["source_id"].to_pylist() == table["source_id"].to_pylist()
    return list(zip(decided["decision"].to_pylist(), decided["gate"].to_pylist(), strict=True))


def test_a_row_is_rejected_by_the_first_gate_that_rejects_it() -> None:
    table = make_table(3)

    assert decisions(
        table, say(table, "a", "accept", "reject", "accept"), say(table, "b", "reject", "reject", "accept")
    ) == [("rejected", "b"), ("rejected", "a"), ("accepted", None)]


def test_a_reject_outweighs_every_hold_whatever_the_order_of_work() -> None:
    table = make_table(3)

    assert decisions(
        table, say(table, "a", "hold", "hold", "reject"), say(table, "b", "reject", "hold", "hold")
    ) == [("rejected", "b"), ("held", "a"), ("rejected", "a")]


def test_an_abstention_decides_nothing() -> None:
    table = make_table(2)

    assert decisions(table, say(table, "a", "abstain", "abstain"), say(table, "b", "abstain", "hold")) == [
        ("accepted", None),
        ("held", "b"),
    ]


def test_a_later_hold_of_the_same_gate_overrules_its_accept() -> None:
    table = make_table(2)
    both = pa.concat_tables([say(table, "a", "accept", "accept"), say(table, "a", None, "hold")])

    assert decisions(table, both) == [("accepted", None), ("held", "a")]


def test_the_reason_and_its_class_are_those_of_the_verdict_that_decided() -> None:
    table = make_table(3)
    verdicts = [say(table, "a", "hold", "accept", "hold"), say(table, "b", "reject", "accept", None)]
    decided = decide(table, verdicts, Rule(("a", "b")))

    assert decided["reason"].to_pylist() == ["b says reject", None, "a says hold"]
    assert decided["reason_class"].to_pylist() == ["b.reject", None, "a.hold"]


def test_a_rejected_row_names_the_row_that_stands_for_it_where_the_deciding_verdict_does() -> None:
    table = make_table(2)
    first = table["row_id"][0].as_py()[:4]
    decided = decide(
        table, [say(table, "a", "reject", "hold"), say(table, "b", "reject", "accept")], Rule(("a", "b"))
    )

    assert decided["replaced_by"].to_pylist() == [f"a {first}", None]


def test_a_broken_row_is_rejected_by_what_made_it_unless_a_gate_rejects_it() -> None:
    table = build_candidates(make_foreign(None, draw=i, failure="torn") for i in range(2))
    decided = decide(table, [say(table, "a", "hold", "reject")], Rule(("a",)))

    assert decided.select(["gate", "reason", "reason_class"]).to_pylist() == [
        {"gate": "reader", "reason": "torn", "reason_class": "reader.failure"},
        {"gate": "a", "reason": "a says reject", "reason_class": "a.reject"},
    ]
    made = build_candidates([make_foreign(None, kind="instruction", failure="torn")])
    assert decide(made, [], Rule(()))["reason_class"].to_pylist() == ["generator.failure"]


def test_a_person_outranks_a_hold_and_can_reject_what_gates_accept_but_not_release_a_reject() -> None:
    table = make_table(6)
    gates = say(table, "a", "hold", "accept", "reject", "accept", "hold", "reject")
    person = say(table, "review", "accept", "reject", "accept", "hold", "abstain", "reject")

    assert decisions(table, gates, person) == [
        ("accepted", None), ("rejected", "review"), ("rejected", "a"),
        ("held", "review"), ("held", "a"), ("rejected", "review"),
    ]  # fmt: skip
    nobody = Rule(("a", "review"), overriding=())
    assert decide(table, [gates, person], nobody)["decision"].to_pylist()[0] == "held"


def test_a_released_row_gives_no_gate_and_no_reason() -> None:
    table = make_table(1)
    decided = decide(table, [say(table, "a", "hold"), say(table, "review", "accept")], Rule(("a",)))

    silent = decided.select(["gate", "reason", "reason_class", "replaced_by"]).to_pylist()
    assert silent == [dict.fromkeys(("gate", "reason", "reason_class", "replaced_by"))]


def test_a_gate_that_the_rule_does_not_name_decides_nothing() -> None:
    table = make_table(1)
    assert decide(table, [say(table, "b", "reject")], Rule(("a",)))["decision"].to_pylist() == ["accepted"]


def test_the_rule_and_not_the_order_of_the_tables_says_which_gate_comes_first() -> None:
    table = make_table(1)
    tables = [say(table, "a", "reject"), say(table, "b", "reject")]
    assert decide(table, tables, Rule(("b", "a")))["gate"].to_pylist() == ["b"]


def test_a_batch_that_fails_holds_what_would_be_accepted_and_was_not_released() -> None:
    table = make_table(4)
    gates = say(table, "a", "accept", "reject", "hold", "hold")
    person = say(table, "review", None, None, "accept", None)
    decided = decide(table, [gates, person], Rule(("a",)), BatchHold("a", "blind gate: a", "a.blind"))

    assert decided.select(["decision", "reason_class"]).to_pylist() == [
        {"decision": "held", "reason_class": "a.blind"},
        {"decision": "rejected", "reason_class": "a.reject"},
        {"decision": "accepted", "reason_class": None},
        {"decision": "held", "reason_class": "a.hold"},
    ]


def test_a_row_that_no_gate_looked_at_is_accepted() -> None:
    table = make_table(2)

    assert decisions(table, say(table, "a", None, "reject")) == [("accepted", None), ("rejected", "a")]
    assert decisions(table) == [("accepted", None), ("accepted", None)]
    assert decisions(table, VERDICT_SCHEMA.empty_table()) == [("accepted", None), ("accepted", None)]


def test_no_rows_have_no_decisions() -> None:
    table = make_table(0)

    assert decisions(table) == []
    assert decisions(table, say(table, "a")) == []


def test_a_verdict_on_a_row_of_another_batch_decides_nothing() -> None:
    table = make_table(3)

    assert decisions(table.slice(0, 1), say(table, "a", "accept", "reject", "reject")) == [("accepted", None)]


def test_a_batch_that_holds_a_row_twice_is_refused() -> None:
    table = make_table(2)
    with pytest.raises(GateError) as caught:
        decide(pa.concat_tables([table, table.slice(1)]), [say(table, "a", "accept", "reject")], Rule(("a",)))

    assert str(caught.value) == (
        f"the batch holds a row twice: two rows have one row_id; seen: {table['row_id'][1].as_py()}"
    )


@settings(max_examples=examples(60))
@given(st.data())
def test_every_batch_is_decided_as_the_rule_says_row_by_row(data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 6))
    gates = data.draw(st.lists(st.lists(st.sampled_from([*OUTCOMES, None]), min_size=rows, max_size=rows)))
    table = make_table(rows)
    expected: list[tuple[str, str | None]] = []
    for row in range(rows):
        said = [(gates[g][row], f"g{g}") for g in range(len(gates))]
        rejects = [gate for outcome, gate in said if outcome == "reject"]
        holds = [gate for outcome, gate in said if outcome == "hold"]
        decision = "rejected" if rejects else "held" if holds else "accepted"
        expected.append((decision, next(iter(rejects or holds), None)))

    verdicts = [say(table, f"g{g}", *outcomes) for g, outcomes in enumerate(gates)]
    assert decisions(table, *verdicts) == expected
