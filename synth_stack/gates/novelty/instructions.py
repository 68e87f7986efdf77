"""What the novelty gate compares: the user's first message, and the seed that a row grew from on purpose."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.text.fields import read_messages, read_texts
from synth_stack.text.ragged import Counts

if TYPE_CHECKING:
    import polars as pl


def find_chains(table: pa.Table) -> "pl.Series":
    """The chain of evolution that each row is a link of in depth, as text; null for every other row."""
    import polars as pl

    extra = read_texts(table["extra"])
    depth = extra.str.json_path_match("$.evolution.depth").cast(int, strict=False).fill_null(0)
    columns = {
        "seed": read_texts(table["seed_id"].cast(pa.string())),
        "draw": pl.Series(table["draw"].to_pylist(), dtype=pl.Int64),
        "generator": read_texts(table["generator"]),
        "depth": depth,
    }
    name = pl.concat_str("generator", pl.lit("/"), "draw", pl.lit("/"), "seed")
    return pl.DataFrame(columns).select(pl.when(pl.col("depth") > 0).then(name).alias("chain"))["chain"]


_TASK, _INSTANCE = "$.task.instruction", "$.task.instance"
"""Where a row that is an instance of a task has the task alone, and which of its instances it is, from 0."""


def read_instructions(table: pa.Table) -> "pl.Series":
    """The user's first message of each row; null where there is none, and for a row with a failure.

    Of an instance of a task it is the task without the input, where the message really begins with it.
    """
    import polars as pl

    spoken = read_messages(table).filter(pl.col("role") == "user").unique("row", keep="first")
    columns = {
        "row": np.arange(len(table)),
        "failure": read_texts(table["failure"]),
        "task": read_texts(table["extra"]).str.json_path_match(_TASK),
    }
    found = pl.DataFrame(columns).join(spoken, on="row", how="left", maintain_order="left")
    is_task = pl.col("content").str.starts_with(pl.col("task"))
    asked = pl.when(is_task).then("task").otherwise("content")
    return found.select(pl.when(pl.col("failure").is_null()).then(asked).alias("content"))["content"]


def find_instances(table: pa.Table) -> Counts:
    """Which instance of its task each row is, from 0 on, or -1 for a row that is none."""
    numbers = read_texts(table["extra"]).str.json_path_match(_INSTANCE).cast(int, strict=False)
    found: Counts = numbers.fill_null(-1).to_numpy().astype(np.int64)
    return found


def find_origins(table: pa.Table, numbers: Mapping[str, int]) -> Counts:
    """The number of the seed that each row was evolved from in depth, or -1; `numbers` has them by id."""
    extra = read_texts(table["extra"])
    depth = extra.str.json_path_match("$.evolution.depth").cast(int, strict=False).fill_null(0)
    grown = ((depth > 0) & (extra.str.json_path_match("$.evolution.origin") == "seed")).to_list()
    named = zip(grown, table["seed_id"].to_pylist(), strict=True)
    return np.array([numbers.get(seed, -1) if is_grown else -1 for is_grown, seed in named], dtype=np.int64)
