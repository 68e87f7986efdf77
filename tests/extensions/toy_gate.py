"""A gate of another author, written from docs/extending.md alone: texts of an unusual length are turned away.

What is usual, the batch says: the median of the lengths in one round, the median distance from it in the next.
"""

from collections.abc import Iterable
from typing import Annotated

import polars as pl
import pyarrow as pa
from pydantic import Field

from synth_stack.extend import (
    Dial,
    Judge,
    Round,
    State,
    build_verdicts,
    canonical_text,
    find_canaries,
    gate,
    plant_defects,
    read_texts,
)

REPEATS = 1_000


def count_words(table: pa.Table) -> pl.Series:
    """The words of each text, (n,); null where there is no text."""
    return read_texts(table["text"]).str.count_matches(r"\w+").cast(pl.Int64)


def count_values(values: pl.Series, table: pa.Table) -> pa.Table:
    """How many rows of the batch have each value: `value`, `rows`."""
    own = values.filter(~pl.Series(find_canaries(table))).drop_nulls()
    return pl.DataFrame({"value": own}).group_by("value").len("rows").to_arrow()


def find_median(sketches: Iterable[pa.Table]) -> int:
    """The lower median of counted values; 0 of none."""
    every = pl.concat([pl.DataFrame(each) for each in sketches])
    counted = every.group_by("value").agg(pl.col("rows").sum()).sort("value")
    half = counted.filter(2 * pl.col("rows").cum_sum() >= pl.col("rows").sum())
    return int(half["value"][0]) if len(half) else 0


def read_number(state: State, name: str) -> int:
    """A number that a round has learnt."""
    return int(state[name]["value"][0].as_py())


def sketch_lengths(table: pa.Table, state: State) -> pa.Table:
    return count_values(count_words(table), table)


def sketch_distances(table: pa.Table, state: State) -> pa.Table:
    return count_values((count_words(table) - read_number(state, "median")).abs(), table)


def merge_median(sketches: Iterable[pa.Table], state: State) -> State:
    return {"median": pa.table({"value": [find_median(sketches)]})}


def merge_spread(sketches: Iterable[pa.Table], state: State) -> State:
    return {"spread": pa.table({"value": [max(find_median(sketches), 1)]})}


@gate("toy_length", version="1")
def toy_length(*, max_distance: Annotated[float, Field(gt=0)] = 10.0) -> Judge:
    """A judge that rejects a text whose length is more than `max_distance` median distances from the median."""

    def judge(table: pa.Table, state: State) -> pa.Table:
        median, spread = read_number(state, "median"), read_number(state, "spread")
        words = count_words(table)
        distances = ((words - median).abs() / spread).to_list()
        said = [decide(distance) for distance in distances]
        return build_verdicts(
            table["row_id"],
            "toy_length",
            [outcome for outcome, _, _ in said],
            scores=distances,
            threshold=max_distance,
            reasons=[reason for _, reason, _ in said],
            reason_classes=[reason_class for _, _, reason_class in said],
            evidence=[None if n is None else canonical_text({"words": n}) for n in words.to_list()],
        )

    def decide(distance: float | None) -> tuple[str, str | None, str | None]:
        if distance is None:
            return "abstain", "there is no text to read", "toy_length.no_text"
        if distance > max_distance:
            return "reject", f"an unusual length: {distance:g} median distances", "toy_length.unusual"
        return "accept", None, None

    def plant(sample: pa.Table, n: int, seed: int) -> pa.Table:
        return plant_defects(sample, n, [("much too long", lambda text: f"{text} more" * REPEATS)])

    return Judge(
        judge=judge,
        rounds=(Round(sketch_lengths, merge_median), Round(sketch_distances, merge_spread)),
        plant=plant,
        dials=(Dial(max_distance, ">", ("toy_length.unusual",), parameter="max_distance"),),
        facts={"measure": "words"},
    )
