"""Rows of known truth that are mixed into a review: gold rows of somebody's file, and canaries of the
gates.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from synth_stack.engines.self_tests import plant
from synth_stack.errors import InputError
from synth_stack.inputs.foreign import open_dataset
from synth_stack.inputs.foreign import read_candidates as read_foreign
from synth_stack.review.judgements import VERDICTS
from synth_stack.review.sampling import rank_rows
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.folder import list_shards
from synth_stack.workflows.judge import Gates

TRUTHS = {"row_id": pl.String, "purpose": pl.String, "truth": pl.String}
MAX_GOLD_ROWS = 10_000
"""More than a review can hide: gold rows are read like others, and 100 of each truth tell a sensitivity of
90% to within 6 points."""
PLANTED_OF_A_KIND = 4
"""Canaries of a kind that each gate is asked for before those to be used are drawn."""


def read_gold(path: str | Path) -> tuple[pa.Table, pl.DataFrame]:
    """The rows of a file with a column `truth` as candidates, and their `row_id`, `purpose` and `truth`.

    The file has any shape that `curate` reads. The truth is taken out of the row, so that nobody sees it
    there. Raises InputError for a row without a truth, a broken one, and two equal ones.
    """
    rows: list[dict[str, Any]] = []
    truths: list[str] = []
    for number, row in enumerate(_each_foreign(path)):
        extra = orjson.loads(row["extra"] or "{}")
        truth = extra.pop("truth", None) if isinstance(extra, dict) else None
        if row["failure"] is not None:
            raise InputError(f"{path}: gold row {number} cannot be read: {row['failure']}")
        if truth not in VERDICTS:
            raise InputError(
                f"{path}: gold row {number} does not say its truth", seen=truth, allowed=", ".join(VERDICTS)
            )
        if number >= MAX_GOLD_ROWS:
            raise InputError(f"{path} has more gold rows than a review can hide", allowed=str(MAX_GOLD_ROWS))
        rows.append({**row, "extra": canonical_text(extra) if extra else None})
        truths.append(truth)
    table = build_candidates(rows)
    ids = table["row_id"].to_pylist()
    if len(set(ids)) != len(ids):
        raise InputError(f"{path} has a gold row twice")
    purposes = ["gold"] * len(ids)
    return table, pl.DataFrame({"row_id": ids, "purpose": purposes, "truth": truths}, schema=TRUTHS)


def plant_canaries(folder: Path, gates: Gates, wanted: int, seed: int) -> tuple[pa.Table, pl.DataFrame]:
    """Up to `wanted` canaries of the gates that judge a row by itself, and their `row_id`, `purpose`,
    `truth`.

    Gates that learn from the batch are left out: nobody sees in one row alone that it repeats another. Drawn
    by `seed` from all that the gates plant. Raises InputError where no gate plants any.
    """
    tables: list[pa.Table] = [CANDIDATE_SCHEMA.empty_table()]
    for run in gates.runs:
        if run.judge.plant is not None and not run.judge.rounds:
            shards = (shard.read(CANDIDATE_SCHEMA) for shard in list_shards(folder / "candidates"))
            rows = plant(run.name, run.judge, PLANTED_OF_A_KIND, shards)
            tables.append(rows.filter(pa.array([sort == "canary" for sort in rows["generator"].to_pylist()])))
    made = pa.concat_tables(tables).combine_chunks()
    if not len(made):
        raise InputError(
            "no gate of the file plants canaries that a reader could see in one row",
            seen=", ".join(gates.names),
            mend="Leave the canaries out, or name gold rows instead.",
        )
    frame = pl.DataFrame({"row_id": made["row_id"].to_pylist()}).with_row_index("place").unique("row_id")
    rank = pl.Series(rank_rows(frame["row_id"].to_list(), seed, "canary"), dtype=pl.UInt64)
    chosen = frame.with_columns(rank=rank).sort("rank").head(wanted)
    truths = chosen.select("row_id", purpose=pl.lit("canary"), truth=pl.lit("reject"))
    return made.take(chosen["place"].to_list()), truths


def join_planted(parts: Sequence[tuple[pa.Table, pl.DataFrame]]) -> tuple[pa.Table, pl.DataFrame]:
    """All planted rows together."""
    tables, truths = [part for part, _ in parts], [truth for _, truth in parts]
    empty = pl.DataFrame(schema=TRUTHS)
    return pa.concat_tables([CANDIDATE_SCHEMA.empty_table(), *tables]), pl.concat([empty, *truths])


def _each_foreign(path: str | Path) -> Iterator[dict[str, Any]]:
    for table in read_foreign(open_dataset(path)):
        yield from table.to_pylist()
