"""The seeds that say what each slice is about: read from a labelled file, embedded, and fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from synth_stack.errors import InputError
from synth_stack.gates.on_topic.slices import Codes, SliceModel, fit_slices
from synth_stack.inputs.real_rows import RealRows
from synth_stack.models.embedders import Embedder, load_embedder
from synth_stack.text.fields import hash_ids, read_asked, read_texts

if TYPE_CHECKING:
    import polars as pl

MIN_SEEDS = 5
"""Seeds of a slice: with fewer, none could be left out of each fold."""
FIT_SEEDS = 200
"""Seeds a slice that are read, those of the lowest hashes: more no longer help discriminants of 256
dimensions.
"""
CLOSE_SEEDS = 20
"""Seeds a slice that the slow model reads: at 100 texts a second, 77 slices take a quarter of a minute."""
CLOSE_POOL = 400
"""Seeds in all that the slow model reads at least, where there are so many: chances are counted in them."""
TEXT_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class FittedSlices:
    """The slices by name, in order, with their model."""

    names: tuple[str, ...]
    model: SliceModel

    def code(self, slices: "pl.Series") -> Codes:
        """The number of each named slice; -1 for one that has too few seeds, or for none."""
        numbers = {name: k for k, name in enumerate(self.names)}
        coded = slices.replace_strict(list(numbers), list(numbers.values()), default=-1)
        return coded.fill_null(-1).to_numpy().astype(np.int64)


@cache
def open_embedder(model: Literal["wordllama", "minilm"]) -> Embedder:
    """The embedder of that name, loaded once in a process: every shard and every check asks for it."""
    return load_embedder(model)


@lru_cache(maxsize=4)
def fit_seeds(seeds: RealRows, model: Literal["wordllama", "minilm"], most: int) -> FittedSlices:
    """The slices of a seed file, fitted on up to `most` seeds of each. Kept: every shard asks for them.

    Raises InputError for a file with fewer than two slices of MIN_SEEDS seeds.
    """
    rows = read_seeds(seeds, most)
    sizes = rows.group_by("slice").len().filter(_col("len") >= MIN_SEEDS).sort("slice")
    names = tuple(sizes["slice"].to_list())
    if len(names) < 2:
        raise InputError(
            f"{seeds.name} has no two slices with {MIN_SEEDS} seeds each",
            seen=f"{len(names)} slices",
            mend="Say with `columns` which column holds the slice, as in {slice: category}.",
        )
    rows = rows.filter(_col("slice").is_in(names))
    codes = rows["slice"].replace_strict(list(names), list(range(len(names)))).to_numpy().astype(np.int64)
    vectors = open_embedder(model).embed(rows["text"].to_list())
    return FittedSlices(names, fit_slices(vectors, codes, len(names), _find_shared(rows, names)))


def count_close_seeds(seeds: RealRows) -> int:
    """How many seeds of each slice the slow model reads: more where there are few slices, for a tail to
    count in.
    """
    return max(CLOSE_SEEDS, CLOSE_POOL // len(fit_seeds(seeds, "wordllama", FIT_SEEDS).names))


def read_seeds(seeds: RealRows, most: int) -> "pl.DataFrame":
    """`slice` and `text` of each seed that has both, of each slice those of the lowest hashes."""
    import polars as pl

    parts = [
        pl.DataFrame(
            {"id": hash_ids(table), "slice": read_texts(table["slice"]), "text": _cut(read_asked(table))}
        )
        for table in seeds.read()
    ]
    if not parts:
        raise InputError(f"{seeds.name} holds no seeds")
    rows = pl.concat(parts).filter(pl.col("slice").is_not_null() & pl.col("text").is_not_null()).sort("id")
    return rows.filter(pl.int_range(pl.len()).over("slice") < most)


def _find_shared(rows: "pl.DataFrame", names: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of slices that have a text in common."""
    numbers: Mapping[str, int] = {name: k for k, name in enumerate(names)}
    both = rows.select("text", "slice").unique().join(rows.select("text", other="slice").unique(), on="text")
    pairs = (
        both.filter(_col("slice") < _col("other")).select("slice", "other").unique().sort("slice", "other")
    )
    return [(numbers[one], numbers[other]) for one, other in pairs.iter_rows()]


def _cut(texts: "pl.Series") -> "pl.Series":
    import polars as pl

    cut = texts.str.strip_chars().str.slice(0, TEXT_CHARS)
    return pl.select(pl.when(cut.str.len_chars() > 0).then(cut)).to_series()


def _col(name: str) -> "pl.Expr":
    import polars as pl

    return pl.col(name)
