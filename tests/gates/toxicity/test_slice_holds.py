import json
from typing import Any

import pyarrow as pa
import pytest

import synth_stack.gates  # noqa: F401  (registers the gate)
from synth_stack.engines.contract import check_late
from synth_stack.gates.gate import Late
from synth_stack.registry import bind, registered
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.stats.intervals import wilson

Counts = dict[str | None, tuple[int, int, int]]
"""By slice: how many rows were rejected, accepted and abstained on."""
BY_RATE: dict[str, Any] = {"escalate_slice_at": 0.09, "escalate_by": "rate"}


def make_batch(counts: Counts) -> tuple[pa.Table, pa.Table]:
    """Rows of slices without a text, and verdicts on them: all that the late step has to know."""
    outcomes = ("reject", "accept", "abstain")
    told = [
        (name, outcome)
        for name, numbers in counts.items()
        for outcome, number in zip(outcomes, numbers, strict=True)
        for _ in range(number)
    ]
    ids = [f"{k:032x}" for k in range(len(told))]
    rows = {"row_id": pa.array(ids), "slice": pa.array([name for name, _ in told], pa.string())}
    verdicts = build_verdicts(pa.array(ids), "toxicity", [outcome for _, outcome in told])
    return pa.table(rows), verdicts.select(["row_id", "outcome"])


def find_late(**params: Any) -> Late | None:
    """What the gate says late under its parameters, as generic code asks for it."""
    bound = bind("gate", "toxicity", {"scorer": "hate-ngrams", **params}, where="gates[0]")
    late = registered("gate")["toxicity"].late
    assert late is not None
    found: Late | None = late(bound.params)
    return found


def hold(batch: tuple[pa.Table, pa.Table], shard_rows: int = 1000, **params: Any) -> pa.Table:
    """The late holds of a batch that is cut into shards."""
    late = find_late(**params)
    assert late is not None
    rows, verdicts = batch
    shards = [
        (rows.slice(first, shard_rows), verdicts.slice(first, shard_rows))
        for first in range(0, max(len(rows), 1), shard_rows)
    ]
    state = late.merge(iter([late.count(*shard) for shard in shards]), {})
    held = pa.concat_tables([late.hold(*shard, state) for shard in shards])
    check_late("toxicity", held)
    return held


def test_a_slice_above_the_bar_is_held_as_a_whole() -> None:
    batch = make_batch({"billing": (2, 18, 0), "login": (0, 30, 0), "tiny": (3, 16, 0), None: (9, 21, 0)})
    held = hold(batch, **BY_RATE)
    assert held.schema == VERDICT_SCHEMA
    assert held["row_id"].to_pylist() == [f"{k:032x}" for k in range(2, 20)]
    first = held.to_pylist()[0]
    told = (first["gate"], first["outcome"], first["scope"], first["score"], first["threshold"])
    assert told == ("toxicity", "hold", "slice", 0.1, 0.09)
    assert first["reason_class"] == "toxicity.slice"
    assert first["reason"] == (
        "toxic slice: 2 of 20 judged rows of billing were turned away: 10.0%, 95% interval 2.8% to 30.1%"
    )
    low, high = wilson(2, 20)
    evidence = {"slice": "billing", "turned_away": 2, "judged": 20, "rate": 0.1, "low": low, "high": high}
    assert json.loads(first["evidence"]) == {**evidence, "by": "rate"}


@pytest.mark.parametrize("shard_rows", [1, 7, 60, 1000])
def test_how_a_batch_is_cut_into_shards_does_not_show(shard_rows: int) -> None:
    batch = make_batch({"a": (2, 30, 1), "b": (0, 40, 0), "c": (5, 20, 9), None: (3, 3, 3)})
    assert hold(batch, shard_rows).equals(hold(batch))


def test_a_slice_exactly_at_the_bar_is_not_held() -> None:
    assert hold(make_batch({"billing": (2, 18, 0)}), **{**BY_RATE, "escalate_slice_at": 0.1}).num_rows == 0


def test_by_its_lower_bound_a_slice_has_to_be_surely_above_the_bar() -> None:
    batch = make_batch({"few": (1, 19, 0), "many": (3, 17, 0)})
    by_rate, by_bound = hold(batch, escalate_by="rate"), hold(batch)
    assert (by_rate.num_rows, by_bound.num_rows) == (36, 17)
    assert by_bound["score"][0].as_py() == wilson(3, 20)[0]


def test_rows_that_were_abstained_on_do_not_count() -> None:
    assert hold(make_batch({"billing": (2, 18, 50)}), **BY_RATE).num_rows == 18


def test_rows_that_the_gate_held_count_as_turned_away_and_are_not_held_twice() -> None:
    rows, verdicts = make_batch({"billing": (2, 18, 0)})
    outcomes = [*verdicts["outcome"].to_pylist()[:-1], "hold"]
    held = hold((rows, verdicts.set_column(1, "outcome", pa.array(outcomes))), **BY_RATE)
    assert held.num_rows == 17
    assert "3 of 20 judged rows" in held["reason"][0].as_py()


def test_nothing_judged_holds_nothing_and_null_switches_it_off() -> None:
    assert hold(make_batch({})).schema == VERDICT_SCHEMA
    assert find_late(escalate_slice_at=None) is None
