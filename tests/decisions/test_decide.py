"""The decision arithmetic: one decision per row from what every gate said."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.decisions.decide import decide
from synth_stack.errors import GateError
from synth_stack.rows.schemas import (
    DECISION_SCHEMA,
    OUTCOMES,
    VERDICT_SCHEMA,
    build_candidates,
    build_verdicts,
)
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
    )


def decisions(table: pa.Table, *verdicts: pa.Table) -> list[tuple[str, str | None]]:
    """Decision and deciding gate of each row."""
    decided = decide(table, verdicts)
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


def test_the_reason_is_that_of_the_verdict_that_decided() -> None:
    table = make_table(3)
    decided = decide(
        table, [say(table, "a", "hold", "accept", "hold"), say(table, "b", "reject", "accept", None)]
    )

    assert decided["reason"].to_pylist() == ["b says reject", None, "a says hold"]


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
        decide(pa.concat_tables([table, table.slice(1)]), [say(table, "a", "accept", "reject")])

    assert str(caught.value) == (
        f"the batch holds a row twice: two rows have one row_id; seen: {table['row_id'][1].as_py()}"
    )


@settings(max_examples=60)
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
