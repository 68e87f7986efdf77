"""The heat map of a batch: every row turned away is in one cell."""

import pyarrow as pa

from synth_stack.report.slice_heat import MAX_SLICES, count_by_slice


def make(rows: list[tuple[str | None, str, str | None]]) -> tuple[pa.Table, pa.Table]:
    ids = [f"{n:032x}" for n in range(len(rows))]
    slices = pa.array([name for name, _, _ in rows], pa.string())
    decisions = {
        "row_id": ids,
        "decision": [d for _, d, _ in rows],
        "gate": pa.array([g for *_, g in rows], pa.string()),
    }
    return pa.table({"row_id": ids, "slice": slices}), pa.table(decisions)


def test_cells_count_what_each_gate_took_of_each_slice() -> None:
    candidates, decisions = make(
        [
            ("a", "rejected", "x"),
            ("a", "held", "y"),
            ("a", "accepted", None),
            ("b", "rejected", "x"),
            (None, "rejected", "x"),
        ]
    )
    found = count_by_slice([candidates[:2], candidates[2:]], decisions)
    assert found == {
        "gates": ["x", "y"],
        "slices": [{"name": "a", "n": 3, "away": [1, 1]}, {"name": "b", "n": 1, "away": [1, 0]}],
        "folded": 0,
    }


def test_a_batch_of_one_slice_or_without_a_rejected_row_has_none() -> None:
    candidates, decisions = make([("a", "rejected", "x")])
    assert count_by_slice([candidates], decisions) is None
    candidates, decisions = make([("a", "accepted", None), ("b", "accepted", None)])
    assert count_by_slice([candidates], decisions) is None
    assert count_by_slice([], decisions) is None


def test_many_slices_are_folded() -> None:
    candidates, decisions = make([(f"s{n}", "rejected", "x") for n in range(MAX_SLICES + 5)])
    found = count_by_slice([candidates], decisions)
    assert found is not None
    assert (len(found["slices"]), found["folded"]) == (MAX_SLICES, 5)
