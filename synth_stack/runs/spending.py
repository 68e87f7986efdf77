"""What a run has spent: tokens, time and money, against its limits and per accepted row."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson
import polars as pl
import pyarrow as pa

from synth_stack.errors import StoreError
from synth_stack.files import read_table, store_errors, write_bytes
from synth_stack.runs.folder import list_made

CLOCK = ".clock.json"
"""In a run folder: the seconds of its work. Hidden, so in no manifest: the same run takes another time."""
_NOTED_EVERY_S = 1.0
"""A killed run forgets at most so much of its time, and what its batches under way had taken."""

LimitName = Literal["max_candidates", "max_minutes", "max_cost", "max_rounds"]
"""What can end a run before its target is reached; the last is no key of a recipe (rounds.py)."""

Tokens = tuple[int, int]
"""Tokens in, tokens out."""


class Priced(Protocol):
    """What knows the price of tokens (teachers/teacher.py)."""

    @property
    def currency(self) -> str: ...
    def cost_of(self, input_tokens: int, output_tokens: int) -> float: ...


@dataclass(frozen=True, slots=True)
class Spent:
    """What the rows of a run have cost.

    `made` counts rows without replacements. `seconds` is the time of generation and gates, None where
    it was not kept; `cost` is in `currency`, None for a teacher without a price. `reached` says whether the
    target was, None for a run without one, and `limit` which limit ended it before.
    """

    made: int
    accepted: int
    input_tokens: int
    output_tokens: int
    seconds: float | None = None
    cost: float | None = None
    currency: str | None = None
    rounds: int = 1
    wanted: int | None = None
    reached: bool | None = None
    limit: LimitName | None = None

    def per_accepted(self) -> dict[str, float | None]:
        """Rows made, tokens, seconds and cost for each accepted row; None where there is none."""
        names = ("made", "input_tokens", "output_tokens", "seconds", "cost")
        totals = {name: getattr(self, name) for name in names}
        return {
            name: total / self.accepted if self.accepted and total is not None else None
            for name, total in totals.items()
        }

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        plain: dict[str, Any] = orjson.loads(orjson.dumps(self))
        return {**plain, "per_accepted": self.per_accepted()}


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """The most that a run may spend; None does not bound."""

    minutes: float | None = None
    cost: float | None = None


class Meter:
    """Counts while a run works in `folder`, and says when a limit is reached.

    Time is kept in the folder, so that a resumed run goes on counting; tokens are in the rows. With a limit
    of cost the rows that are there are read once, at the start.
    """

    def __init__(
        self, folder: Path, limits: SpendingLimits = SpendingLimits(), price: Priced | None = None
    ) -> None:
        self._clock = folder / CLOCK
        self._limits = limits
        self._price = price
        self._before_s = read_seconds(folder) or 0.0
        self._started: float | None = None
        self._noted = 0.0
        self._tokens = count_tokens(folder) if self._counts_tokens else (0, 0)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Counts the time of its block."""
        self._started = self._noted = time.monotonic()
        try:
            yield
        finally:
            self._note_time()
            self._before_s, self._started = self._elapsed_s(), None

    def note(self, table: pa.Table) -> None:
        """Count a committed candidate table."""
        if self._counts_tokens:
            n_in, n_out = sum_tokens(table["extra"])
            self._tokens = self._tokens[0] + n_in, self._tokens[1] + n_out
        if self._started is not None and time.monotonic() - self._noted >= _NOTED_EVERY_S:
            self._note_time()

    def find_limit(self) -> LimitName | None:
        """The limit of time or cost that is reached, else None."""
        limits = self._limits
        if limits.minutes is not None and self._elapsed_s() >= 60 * limits.minutes:
            return "max_minutes"
        if limits.cost is not None and self._price and self._price.cost_of(*self._tokens) >= limits.cost:
            return "max_cost"
        return None

    @property
    def _counts_tokens(self) -> bool:
        return self._limits.cost is not None and self._price is not None

    def _elapsed_s(self) -> float:
        return self._before_s + (0.0 if self._started is None else time.monotonic() - self._started)

    def _note_time(self) -> None:
        self._noted = time.monotonic()
        write_bytes(self._clock, orjson.dumps({"seconds": round(self._elapsed_s(), 3)}))


def read_seconds(folder: Path) -> float | None:
    """The seconds of work that the run folder has noted; None where they were not kept. Raises StoreError."""
    path = folder / CLOCK
    if not path.exists():
        return None
    with store_errors(path):
        data = path.read_bytes()
    try:
        return float(orjson.loads(data)["seconds"])
    except (ValueError, TypeError, LookupError) as exc:
        raise StoreError(f"{path} does not say how long the run took", mend="Remove it.") from exc


def count_tokens(folder: Path) -> Tokens:
    """The tokens of every call for the rows of a run folder, without replacements, which repeat them."""
    sums = [sum_tokens(extra) for extra in _read_extras(list_made(folder / "candidates"))]
    return sum(n for n, _ in sums), sum(n for _, n in sums)


def sum_tokens(extra: pa.ChunkedArray) -> Tokens:
    """The tokens in a column of `extra`: `tokens` is {column: [in, out]}; rows without it count nothing."""
    calls = (
        pl.DataFrame({"extra": pl.Series(extra, dtype=pl.String)})
        .select(pl.col("extra").str.json_path_match("$.tokens").str.extract_all(r"\[\d{1,12},\d{1,12}\]"))
        .explode("extra")
        .drop_nulls()
        .select(
            pl.col("extra").str.extract(r"\[(\d+),", 1).cast(pl.Int64).alias("in"),
            pl.col("extra").str.extract(r",(\d+)\]", 1).cast(pl.Int64).alias("out"),
        )
        .sum()
    )
    n_in, n_out = calls.row(0)
    return n_in, n_out


def _read_extras(parts: Iterable[Path]) -> Iterator[pa.ChunkedArray]:
    """The column `extra` of part files, some thousand rows at a time: parts hold a few rows each."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(read_table(part, columns=["extra"]))
        if sum(map(len, waiting)) >= 10_000:
            yield pa.concat_tables(waiting)["extra"]
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)["extra"]
