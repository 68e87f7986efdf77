from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import BlindGate, StoreError, UnfairGate
from synth_stack.files import write_table
from synth_stack.rows.schemas import CANARY_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.self_tests import (
    FOLDER,
    KindCount,
    SelfTestBars,
    count_planted,
    measure,
    read_self_tests,
    refuse_failed,
)
from synth_stack.stats.intervals import wilson


def judged(*said: tuple[str, str, str], controls: Sequence[tuple[str, str, str]] = ()) -> pa.Table:
    """A table of planted rows, of (row, its kind, outcome) each."""
    rows = [
        {"row_id": row, "gate": "dedup", "outcome": outcome, "scope": "row", "control": control}
        | {"canary": f"{kind}: of row {row}", "canary_kind": kind}
        for control, every in ((False, said), (True, controls))
        for row, kind, outcome in every
    ]
    return pa.Table.from_pylist(rows, schema=CANARY_SCHEMA)


def test_a_planted_row_is_turned_away_when_it_is_rejected_or_held() -> None:
    found = count_planted(
        judged(
            ("a", "copy", "reject"), ("b", "copy", "hold"), ("c", "copy", "accept"), ("d", "copy", "abstain")
        )
    )
    assert found == (KindCount("copy", 4, 2),)


def test_a_canary_that_is_turned_away_for_another_reason_is_not_caught() -> None:
    classes = {"a": "dedup.near_duplicate", "b": "dedup.large_cluster", "c": None, "d": "dedup.large_cluster"}
    rows = [
        {"row_id": row, "gate": "dedup", "outcome": "reject", "scope": "row", "control": row == "d"}
        | {"canary": "copy", "canary_kind": "copy", "reason_class": given}
        | {"caught_as": None if row == "d" else ["dedup.near_duplicate"]}
        for row, given in classes.items()
    ]
    found = count_planted(pa.Table.from_pylist(rows, schema=CANARY_SCHEMA))
    assert found == (KindCount("copy", 3, 1), KindCount("copy", 1, 1, control=True))


def test_planted_rows_are_counted_by_kind_canaries_first_in_the_order_of_the_names() -> None:
    found = count_planted(
        judged(
            ("a", "z", "reject"), ("b", "a", "accept"), ("c", "z", "accept"), controls=[("d", "a", "hold")]
        )
    )
    assert found == (KindCount("a", 1, 0), KindCount("z", 2, 1), KindCount("a", 1, 1, control=True))


def test_a_row_that_is_held_when_the_batch_is_done_counts_once_and_as_turned_away() -> None:
    assert count_planted(judged(("a", "copy", "accept"), ("a", "copy", "hold"))) == (KindCount("copy", 1, 1),)


def test_no_planted_row_gives_no_count() -> None:
    assert count_planted(CANARY_SCHEMA.empty_table()) == ()


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["reject", "hold", "accept"])), max_size=40))
def test_every_canary_is_counted_in_one_kind(said: list[tuple[int, str]]) -> None:
    table = judged(*((f"{i}", f"kind {kind}", outcome) for i, (kind, outcome) in enumerate(said)))
    found = measure("dedup", count_planted(table), SelfTestBars(0.9))
    assert found.planted == len(said)
    assert found.caught == sum(outcome != "accept" for _, outcome in said)
    for kind in found.canaries:
        assert (kind.low, kind.high) == wilson(kind.caught, kind.planted)


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
    assert measure("dedup", [KindCount("copy", planted, caught)], SelfTestBars(bar)).blind is blind


def test_a_gate_that_misses_one_kind_is_blind_however_much_it_catches_of_the_others() -> None:
    counts = [KindCount("copy", 1000, 1000), KindCount("edit", 20, 3)]
    found = measure("dedup", counts, SelfTestBars(0.9))
    assert (found.blind, [kind.blind for kind in found.canaries]) == (True, [False, True])
    found = measure("dedup", counts, SelfTestBars(0.9, {"edit": 0.15}))
    assert (found.blind, [kind.bar for kind in found.canaries]) == (False, [0.9, 0.15])


@pytest.mark.parametrize(("away", "most", "unfair"), [(2, 0.1, False), (3, 0.1, True), (20, 1.0, False)])
def test_a_gate_that_turns_away_too_many_controls_of_a_kind_is_unfair(
    away: int, most: float, unfair: bool
) -> None:
    counts = [KindCount("template", 20, away, control=True), KindCount("code", 20, 0, control=True)]
    found = measure("dedup", counts, SelfTestBars(0.9, max_unfair=most))
    assert (found.unfair, found.blind, found.innocent, found.turned_away) == (unfair, False, 40, away)


def test_a_gate_that_could_plant_nothing_is_neither_blind_nor_unfair_and_says_what_is_off() -> None:
    found = measure("dedup", [], SelfTestBars(0.9, off=("language",)))
    assert (found.planted, found.innocent, found.failed, found.off) == (0, 0, False, ("language",))


def test_the_self_tests_of_a_run_are_read_for_the_gates_that_planted(tmp_path: Path) -> None:
    write_table(tmp_path / FOLDER / "dedup.parquet", judged(("a", "copy", "reject"), ("b", "copy", "accept")))
    (found,) = read_self_tests(tmp_path, {"dedup": SelfTestBars(0.9)})
    assert (found.gate, found.planted, found.caught, found.blind) == ("dedup", 2, 1, True)
    assert read_self_tests(tmp_path, {}) == ()


def test_a_gate_that_left_no_table_has_planted_none(tmp_path: Path) -> None:
    (found,) = read_self_tests(tmp_path, {"dedup": SelfTestBars(0.9)})
    assert (found.planted, found.failed) == (0, False)


def test_a_table_that_is_none_of_planted_rows_is_named(tmp_path: Path) -> None:
    write_table(tmp_path / FOLDER / "dedup.parquet", VERDICT_SCHEMA.empty_table())
    with pytest.raises(StoreError, match=r"canaries/dedup\.parquet does not have the columns"):
        read_self_tests(tmp_path, {"dedup": SelfTestBars(0.9)})


def test_a_blind_gate_fails_the_batch_and_is_named_with_kind_count_and_bar() -> None:
    good = measure("dedup", [KindCount("copy", 10, 10)], SelfTestBars(0.9))
    blind = measure("toxicity", [KindCount("insult", 100, 61)], SelfTestBars(0.7))
    refuse_failed([good])
    with pytest.raises(BlindGate) as caught:
        refuse_failed([good, blind, replace(blind, gate="drift")])
    assert str(caught.value) == (
        "blind gate: toxicity caught 61 of 100 planted rows of kind insult, where 0.7 of them is the bar; "
        "blind gate: drift caught 61 of 100 planted rows of kind insult, where 0.7 of them is the bar. "
        "canaries/toxicity.parquet in the run folder says which rows it judged wrongly."
    )
    assert caught.value.exit_code == 1


def test_an_unfair_gate_fails_the_batch_and_is_named_with_kind_count_and_bar() -> None:
    counts = [KindCount("insult", 10, 10), KindCount("puzzle", 20, 4, control=True)]
    with pytest.raises(UnfairGate) as caught:
        refuse_failed([measure("toxicity", counts, SelfTestBars(0.9, max_unfair=0.1))])
    assert str(caught.value) == (
        "unfair gate: toxicity turned away 4 of 20 innocent rows of kind puzzle, where 0.1 of them is the bar. "
        "canaries/toxicity.parquet in the run folder says which rows it judged wrongly."
    )
