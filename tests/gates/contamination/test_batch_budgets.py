from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synth_stack.gates.contamination import batch_budgets
from synth_stack.gates.contamination.batch_budgets import cut_budgets
from synth_stack.gates.contamination.short_list import SKETCH
from synth_stack.gates.gate import NO_STATE

ROWS = 400


def make_sketch(rows: int = ROWS, seed: int = 3, *, canary: bool = False) -> pa.Table:
    """Lines on rows of which some are like items, some have functions to try, and some neither."""
    rng = np.random.default_rng(seed)
    lines = []
    for k in range(rows):
        pairs = sorted(np.round(0.5 + rng.random(rng.integers(0, 4)) / 2, 1).tolist(), reverse=True)
        runs = int(rng.choice([0, 0, 1, 3, 12]))
        lines.append(
            {
                "row_id": f"{rng.integers(1 << 62):016x}{k:016x}",
                "canary": canary,
                "readable": k % 50 != 0,
                "pairs": [{"passage": n, "likeness": likeness} for n, likeness in enumerate(pairs)],
                "by_name": bool(rng.random() < 0.1),
                "nearness": round(float(rng.random()), 1),
                "runs": [{"function": n, "problem": 0} for n in range(runs)],
            }
        )
    return pa.Table.from_pylist(lines, schema=SKETCH)


def cut(sketches: list[pa.Table], confirm_rows: int = 40, runs: int = 150) -> dict[str, pa.Table]:
    state = cut_budgets(iter(sketches), NO_STATE, confirm_rows=confirm_rows, runs_per_10000_rows=runs)
    return dict(state)


def by_id(noticed: pa.Table) -> pa.Table:
    return noticed.sort_by("row_id")


@pytest.mark.parametrize("size", [1, 7, 100])
def test_how_the_batch_is_cut_does_not_show(size: int) -> None:
    sketch = make_sketch()
    whole = cut([sketch])
    parts = cut([sketch.slice(k, size) for k in range(0, ROWS, size)])
    assert parts["noticed"].equals(whole["noticed"])
    assert parts["known"].equals(whole["known"])


def test_in_which_order_the_rows_stand_does_not_show() -> None:
    sketch = make_sketch()
    other = sketch.take(np.random.default_rng(1).permutation(ROWS))
    assert by_id(cut([other])["noticed"]).equals(by_id(cut([sketch])["noticed"]))


def test_the_likest_rows_are_confirmed_and_keep_their_pairs() -> None:
    noticed = cut([make_sketch()])["noticed"].to_pylist()
    claim = {row["row_id"]: (-row["pairs"][0]["likeness"], row["row_id"]) for row in noticed if row["pairs"]}
    chosen = {row["row_id"] for row in noticed if row["confirmed"]}
    assert chosen == set(sorted(claim, key=claim.__getitem__)[:40])
    assert max(len(row["pairs"]) for row in noticed if row["confirmed"]) == 3
    assert {len(row["pairs"]) for row in noticed if not row["confirmed"]} == {0, 1}


def test_every_row_gets_its_first_run_before_any_gets_its_second() -> None:
    noticed = cut([make_sketch()])["noticed"].to_pylist()
    wanting = [row for row in noticed if row["runs"]]
    assert sum(row["taken"] for row in wanting) == 150
    fewest = min(row["taken"] for row in wanting)
    assert all(row["taken"] in (fewest, fewest + 1, len(row["runs"])) for row in wanting)

    def claim(row: dict[str, object]) -> tuple[object, ...]:
        return (not row["by_name"], -float(str(row["nearness"])), row["row_id"])

    open_ = [row for row in wanting if len(row["runs"]) > fewest]
    lucky = [row for row in open_ if row["taken"] > fewest]
    assert lucky == [row for row in open_ if row in sorted(open_, key=claim)[: len(lucky)]]


def test_runs_grow_with_every_started_10000_rows() -> None:
    empty = make_sketch(10_001 - ROWS, 5).to_pylist()
    idle = pa.Table.from_pylist([{**row, "runs": [], "pairs": []} for row in empty], schema=SKETCH)
    taken = [
        sum(cut(sketches, runs=100)["noticed"]["taken"].to_pylist())
        for sketches in ([make_sketch(), idle.slice(1)], [make_sketch(), idle])
    ]
    assert taken == [100, 200]


def test_canaries_take_nothing_and_get_what_a_row_with_their_claim_gets() -> None:
    sketch, canaries = make_sketch(), make_sketch(60, 9, canary=True)
    without, with_them = (cut([*tables])["noticed"] for tables in ([sketch], [sketch, canaries]))
    planted = np.array(with_them["canary"])
    assert with_them.filter(pa.array(~planted)).equals(without)
    rows, mine = without.to_pylist(), with_them.filter(pa.array(planted)).to_pylist()

    def rate(row: dict[str, Any]) -> float:
        return float(row["pairs"][0]["likeness"])

    bar = min(rate(row) for row in rows if row["confirmed"])
    listed = [row for row in mine if row["pairs"]]
    assert {row["confirmed"] for row in listed} == {True, False}
    assert all(row["confirmed"] == (rate(row) >= bar) for row in listed)
    fewest = min(row["taken"] for row in rows if row["runs"])
    assert {row["taken"] - min(fewest, len(row["runs"])) for row in mine if row["runs"]} == {0, 1}


def test_a_bound_that_lets_no_row_through_lets_no_canary_through() -> None:
    canaries = make_sketch(60, 9, canary=True)
    for rows in ([], [make_sketch()]):
        noticed = cut([*rows, canaries], confirm_rows=0)["noticed"]
        assert not any(noticed["confirmed"].to_pylist())
    everything = cut([canaries], confirm_rows=1)["noticed"].to_pylist()
    assert all(row["confirmed"] for row in everything if row["pairs"])
    assert all(row["taken"] == len(row["runs"]) for row in everything)
    starved = cut([make_sketch(), canaries], runs=1)["noticed"]
    assert sum(starved.filter(starved["canary"])["taken"].to_pylist()) <= 3


def test_what_is_dropped_while_sketches_come_in_is_what_would_be_dropped_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sketch = make_sketch()
    sketches = [sketch.slice(k, 10) for k in range(0, ROWS, 10)]
    whole = cut(sketches)
    monkeypatch.setattr(batch_budgets, "_HELD_PAIRS", 20)
    assert cut(sketches)["noticed"].equals(whole["noticed"])


def test_a_row_that_stands_twice_is_one_line() -> None:
    sketch = make_sketch()
    assert cut([sketch, sketch.slice(5, 50)])["noticed"].equals(cut([sketch])["noticed"])


def test_nothing_is_known_of_nothing() -> None:
    state = cut([SKETCH.empty_table()])
    assert {name: len(table) for name, table in state.items()} == {"known": 0, "noticed": 0}
