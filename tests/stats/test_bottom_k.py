import numpy as np
import polars as pl
import pytest

from synth_stack.stats.bottom_k import join_lowest, keep_lowest


def make_frame(rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    names = ["a", "b", None]
    slices = [names[k] for k in rng.choice(3, rows, p=[0.9, 0.05, 0.05])]
    return pl.DataFrame({"id": rng.permutation(rows).astype(np.uint64), "slice": slices})


@pytest.mark.parametrize("cut", [1, 7, 100, 1000])
def test_how_a_batch_is_cut_does_not_show(cut: int) -> None:
    frame, groups = make_frame(600), [("slice", 20)]
    parts = [keep_lowest(frame.slice(first, cut), 50, groups) for first in range(0, 600, cut)]
    joined = join_lowest(parts, 50, groups)
    assert joined is not None
    assert joined.equals(keep_lowest(frame, 50, groups))


def test_the_lowest_of_the_whole_and_of_each_group_are_kept() -> None:
    kept = keep_lowest(make_frame(600), 50, [("slice", 20)])
    assert kept.filter("whole")["id"].to_list() == list(range(50))
    flagged = kept.filter("of_slice").group_by("slice").len().sort("slice")
    assert flagged.rows() == [("a", 20), ("b", 20)]


def test_no_part_gives_no_sample() -> None:
    assert join_lowest([], 5) is None
