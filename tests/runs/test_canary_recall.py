from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import BlindGate, StoreError
from synth_stack.files import write_table
from synth_stack.rows.schemas import CANARY_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.canary_recall import (
    FOLDER,
    KindCount,
    count_canaries,
    measure_recall,
    read_recalls,
    refuse_blind,
)
from synth_stack.stats.intervals import wilson


def judged(*said: tuple[str, str, str]) -> pa.Table:
    """A canary table of (row, its kind, outcome)."""
    rows = [
        {"row_id": row, "gate": "dedup", "outcome": outcome, "scope": "row"}
        | {"canary": f"{kind}: of row {row}", "canary_kind": kind}
        for row, kind, outcome in said
    ]
    return pa.Table.from_pylist(rows, schema=CANARY_SCHEMA)


def test_a_canary_is_caught_when_it_is_rejected_or_held() -> None:
    found = count_canaries(
        judged(
            ("a", "copy", "reject"), ("b", "copy", "hold"), ("c", "copy", "accept"), ("d", "copy", "abstain")
        )
    )
    assert found == (KindCount("copy", 4, 2),)


def test_canaries_are_counted_by_kind_in_the_order_of_the_names() -> None:
    found = count_canaries(judged(("a", "z", "reject"), ("b", "a", "accept"), ("c", "z", "accept")))
    assert found == (KindCount("a", 1, 0), KindCount("z", 2, 1))


def test_a_canary_that_is_held_when_the_batch_is_done_counts_once_and_as_caught() -> None:
    assert count_canaries(judged(("a", "copy", "accept"), ("a", "copy", "hold"))) == (
        KindCount("copy", 1, 1),
    )


def test_no_canary_gives_no_count() -> None:
    assert count_canaries(CANARY_SCHEMA.empty_table()) == ()


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["reject", "hold", "accept"])), max_size=40))
def test_every_canary_is_counted_in_one_kind(said: list[tuple[int, str]]) -> None:
    table = judged(*((f"{i}", f"kind {kind}", outcome) for i, (kind, outcome) in enumerate(said)))
    found = measure_recall("dedup", count_canaries(table), min_recall=0.9)
    assert found.planted == len(said)
    assert found.caught == sum(outcome != "accept" for _, outcome in said)
    assert (found.low, found.high) == wilson(found.caught, found.planted)


@pytest.mark.parametrize(
    ("caught", "planted", "bar", "blind"),
    [
        (9, 10, 0.9, False),
        (89, 100, 0.9, True),
        (95, 100, 0.95, False),
        (0, 1, 0.01, True),
        (0, 5, 0.0, False),
        (7, 7, 1.0, False),
        (699, 700, 1.0, True),
    ],
)
def test_a_gate_is_blind_below_its_bar_and_not_on_it(
    caught: int, planted: int, bar: float, blind: bool
) -> None:
    assert measure_recall("dedup", [KindCount("copy", planted, caught)], min_recall=bar).blind is blind


def test_a_gate_that_could_plant_nothing_has_no_recall_and_is_not_blind() -> None:
    found = measure_recall("dedup", [], min_recall=0.9)
    assert (found.planted, found.recall, found.low, found.high, found.blind) == (0, None, 0.0, 1.0, False)


def test_the_recalls_of_a_run_are_read_for_the_gates_that_planted(tmp_path: Path) -> None:
    write_table(tmp_path / FOLDER / "dedup.parquet", judged(("a", "copy", "reject"), ("b", "copy", "accept")))
    (found,) = read_recalls(tmp_path, {"dedup": 0.9})
    assert (found.gate, found.recall, found.min_recall, found.blind) == ("dedup", 0.5, 0.9, True)
    assert read_recalls(tmp_path, {}) == ()


def test_a_gate_that_left_no_canaries_has_planted_none(tmp_path: Path) -> None:
    (found,) = read_recalls(tmp_path, {"dedup": 0.9})
    assert (found.planted, found.recall, found.blind) == (0, None, False)


def test_a_table_that_is_none_of_canaries_is_named(tmp_path: Path) -> None:
    write_table(tmp_path / FOLDER / "dedup.parquet", VERDICT_SCHEMA.empty_table())
    with pytest.raises(StoreError, match=r"canaries/dedup\.parquet does not have the columns"):
        read_recalls(tmp_path, {"dedup": 0.9})


def test_a_blind_gate_fails_the_batch_and_is_named_with_recall_and_bar() -> None:
    good = measure_recall("dedup", [KindCount("copy", 10, 10)], min_recall=0.9)
    blind = measure_recall("toxicity", [KindCount("insult", 100, 61)], min_recall=0.7)
    refuse_blind([good])
    with pytest.raises(BlindGate) as caught:
        refuse_blind([good, blind, replace(blind, gate="drift")])
    assert str(caught.value) == (
        "blind gate: toxicity caught 61 of 100 planted rows, a recall of 0.610 where 0.7 is the bar; "
        "drift caught 61 of 100 planted rows, a recall of 0.610 where 0.7 is the bar. "
        "canaries/toxicity.parquet in the run folder says which it missed."
    )
    assert caught.value.exit_code == 1
    assert measure_recall("dedup", [], min_recall=0.9).describe() == "dedup planted nothing"
