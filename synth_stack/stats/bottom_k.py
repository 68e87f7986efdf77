"""A bounded sample of a batch that does not depend on how the batch is cut: the rows of the lowest hashes."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # polars takes 0.2 s to import
    import polars as pl

_TRIM_ROWS = 100_000


def keep_lowest(frame: "pl.DataFrame", k: int, groups: Sequence[tuple[str, int]] = ()) -> "pl.DataFrame":
    """The rows of the `k` lowest `id`, and of every column in `groups` those of its lowest per value.

    `id` is a uniform hash, so this is a uniform sample without replacement of the whole and of every value
    (the bottom-k sketch of Cohen and Kaplan 2007), and that of a union is kept from those of its parts. A
    null is no value. Sorted by `id`, with what tells which sample a row is in: `whole`, and `of_<column>`.
    """
    import polars as pl

    ordered = frame.sort("id").with_columns(whole=pl.int_range(pl.len()) < k)
    for column, most in groups:
        rank = pl.int_range(pl.len()).over(column)
        ordered = ordered.with_columns((pl.col(column).is_not_null() & (rank < most)).alias(f"of_{column}"))
    return ordered.filter(pl.any_horizontal("whole", *(f"of_{column}" for column, _ in groups)))


def join_lowest(
    frames: "Iterable[pl.DataFrame]", k: int, groups: Sequence[tuple[str, int]] = ()
) -> "pl.DataFrame | None":
    """The sample of all rows from those of parts; None without a part. Memory: some 100,000 rows at most
    beyond it.
    """
    import polars as pl

    kept: list[pl.DataFrame] = []
    flags = ["whole", *(f"of_{column}" for column, _ in groups)]
    for frame in frames:
        kept.append(frame.drop(flags, strict=False))
        if sum(map(len, kept)) > _TRIM_ROWS:
            kept = [keep_lowest(pl.concat(kept), k, groups).drop(flags)]
    return keep_lowest(pl.concat(kept), k, groups) if kept else None
