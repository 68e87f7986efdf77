"""The seed corpus as the gate compares with it: a sample of its texts, of all and of each slice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from synth_stack.errors import InputError
from synth_stack.gates.diversity.groups import TextGroup, make_group
from synth_stack.gates.diversity.sampling import GROUP_ROWS, Field, read_groups, read_said
from synth_stack.gates.diversity.wording import normalise_texts
from synth_stack.inputs.real_rows import RealRows
from synth_stack.stats.bottom_k import join_lowest, keep_lowest
from synth_stack.stats.diversity import Vectors

if TYPE_CHECKING:
    import polars as pl

SEED_ROWS = 2_000
"""Seeds of the whole corpus that are kept: five times what a group is measured over."""

Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class SeedTexts:
    """Sampled seeds: `id`, `slice`, `text`, and the flags of keep_lowest."""

    rows: "pl.DataFrame"

    def find_slice(self, name: str, embed: Embed) -> TextGroup | None:
        """The seeds of a slice; None where there is none."""
        import polars as pl

        mine = self.rows.filter((pl.col("slice") == name) & pl.col("of_slice"))
        return make_group(normalise_texts(mine["text"]), embed) if len(mine) else None

    def draw_mix(self, rows_by_slice: Mapping[str | None, int], embed: Embed) -> TextGroup:
        """Seeds in the shares in which the batch has rows of their slices; of all seeds where slices say
        nothing.

        What a batch was asked for is no lack of its diversity: a batch of three slices is compared with
        seeds of those three.
        """
        import polars as pl

        whole = self.rows.filter("whole")
        known = set(self.rows["slice"].drop_nulls())
        shared = {name: rows for name, rows in rows_by_slice.items() if name in known}
        total = sum(rows_by_slice.values())
        if not shared or sum(shared.values()) < total / 2:
            return make_group(normalise_texts(whole["text"].head(GROUP_ROWS)), embed)
        parts = [
            self.rows.filter((pl.col("slice") == name) & pl.col("of_slice")).head(
                int(np.ceil(GROUP_ROWS * rows / sum(shared.values())))
            )
            for name, rows in sorted(shared.items())
        ]
        return make_group(normalise_texts(pl.concat(parts).sort("id")["text"]), embed)


def read_seed_texts(seeds: RealRows, field: Field) -> SeedTexts:
    """The sample of a seed file. Raises InputError for one without any text."""
    import polars as pl

    groups = [("slice", GROUP_ROWS)]

    def read() -> "Iterator[pl.DataFrame]":
        for table in seeds.read():
            rows = read_groups(table).select("id", "slice").with_columns(text=read_said(table, field))
            yield keep_lowest(rows.filter(pl.col("text").is_not_null()), SEED_ROWS, groups)

    joined = join_lowest(read(), SEED_ROWS, groups)
    if joined is None or not len(joined):
        raise InputError(
            f"{seeds.name} has no seed with a text",
            mend="Say with `columns` which of its columns holds the text.",
        )
    return SeedTexts(joined)
