"""A sample of a batch is the same however the batch is cut, and counts what it does not hold."""

import polars as pl
import pytest

from synth_stack.gates.batch_samples import BatchSample, join_samples, sketch_sample

GROUPS = (("slice", 4),)


def make_rows(n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [(k * 2_654_435_761) % 2**32 for k in range(n)],
            "planted": [k % 10 == 0 for k in range(n)],
            "slice": [None if k % 7 == 0 else f"s{k % 3}" for k in range(n)],
            "text": [str(k) for k in range(n)],
        }
    )


def sample(parts: list[pl.DataFrame]) -> BatchSample:
    return join_samples(
        (sketch_sample(part, 20, GROUPS, ("slice",)) for part in parts), 20, GROUPS, ("slice",)
    )


def test_no_cut_shows_in_the_sample() -> None:
    rows = make_rows(200)
    whole = sample([rows])
    for size in (1, 33, 150):
        cut = sample([rows[start : start + size] for start in range(0, 200, size)])
        assert cut.rows.equals(whole.rows)
        assert cut.planted.equals(whole.planted)
        assert cut.counts.equals(whole.counts)


def test_planted_rows_are_kept_apart_and_not_counted() -> None:
    found = sample([make_rows(200)])
    assert found.total == 180
    assert len(found.planted) == 20
    assert not found.rows["planted"].any()
    assert found.rows.filter("whole").height == 20
    assert set(found.counts["slice"]) == {"s0", "s1", "s2", None}


def test_a_batch_without_a_sketch_is_none() -> None:
    with pytest.raises(ValueError, match="at least the sketch"):
        sample([])
