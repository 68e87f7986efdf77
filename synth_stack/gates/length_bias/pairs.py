"""How long the sides of each comparison are, and how often the chosen one is the longer, group by group."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.gates.gate import State
from synth_stack.text.fields import find_canaries, open_lists, read_sides, read_texts

if TYPE_CHECKING:
    import polars as pl

STEPS = 64
"""Steps of a doubling in which ratios of lengths are counted: 1.1% apart, finer than a word of a sentence."""
_MAX_STEP = 20 * STEPS
"""A million times as long; more is counted as that, so that a group never has more counts than these."""

GROUPS = "groups"
BATCH = ""
"""The name of the group that is the whole batch; no slice has an empty one."""


def read_pairs(table: pa.Table) -> "pl.DataFrame":
    """One line a comparison with both sides: `row`, `slice`, `planted`, `chosen`, `rejected`
    (characters of what each side says) and `step`, the logarithm of their ratio in STEPS of a doubling.

    `step` is above 0 where the chosen side is longer, at least 1 then, and 0 where both are of one length.
    """
    import polars as pl

    sides = open_lists(table.column("alternatives"))
    said = sides.open("messages")
    spoken = pl.DataFrame({"side": said.owner, "chars": said.read("content").str.len_chars().fill_null(0)})
    chars = np.bincount(spoken["side"], weights=spoken["chars"], minlength=len(sides.owner)).astype(np.int64)
    told = read_sides(table).with_columns(chars=pl.Series(chars))
    ends = {
        end: told.filter(pl.col(end)).select("row", pl.col("chars").alias(f"{end}_chars"))
        for end in ("chosen", "rejected")
    }
    pairs = ends["chosen"].join(ends["rejected"], on="row", maintain_order="left")
    ratio = np.log2(pairs["chosen_chars"].clip(1).to_numpy() / pairs["rejected_chars"].clip(1).to_numpy())
    steps = np.clip(np.sign(ratio) * np.ceil(np.abs(ratio) * STEPS), -_MAX_STEP, _MAX_STEP).astype(np.int32)
    rows = pl.DataFrame({"slice": read_texts(table.column("slice")), "planted": find_canaries(table)})
    return pairs.with_columns(
        rows[pairs["row"]].get_columns(), step=pl.Series(steps)
    ).rename({"chosen_chars": "chosen", "rejected_chars": "rejected"})  # fmt: skip


def sketch_pairs(table: pa.Table, _: State) -> pa.Table:
    """How many pairs of each group have each ratio of lengths; planted rows are in groups of their own."""
    import polars as pl

    pairs = read_pairs(table)
    own = pairs.filter(pl.col("slice").is_not_null()).select("slice", "planted", "step")
    all_ = pairs.filter(~pl.col("planted")).select(pl.lit(BATCH).alias("slice"), "planted", "step")
    return pl.concat([own, all_]).group_by("slice", "planted", "step").len("pairs").to_arrow()


def count_groups(sketches: Iterable[pa.Table], _: State) -> State:
    """The counts of all shards, in the order of group and ratio."""
    import polars as pl

    every = pl.concat([pl.DataFrame(sketch) for sketch in sketches])
    counted = every.group_by("slice", "planted", "step").agg(pl.col("pairs").sum())
    return {GROUPS: counted.sort("slice", "planted", "step").to_arrow()}
