"""What a run has spent: tokens, time and money, against its limits and per accepted row."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
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
    def cost_of(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float: ...


Prices = Mapping[str, Priced]
"""What tokens cost, by the part of the work (writer, judge, ...); empty where that is not known."""

PartTokens = dict[str, tuple[int, int, int]]
"""Tokens in, out, and of those in the cached ones, by the part of the work."""

WRITER = "writer"
"""The part of rows that do not say who spent what: one model made them."""


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
        self, folder: Path, limits: SpendingLimits = SpendingLimits(), prices: Prices = MappingProxyType({})
    ) -> None:
        self._clock = folder / CLOCK
        self._limits = limits
        self._prices = prices
        self._before_s = read_seconds(folder) or 0.0
        self._started: float | None = None
        self._noted = 0.0
        self._spent: PartTokens = {}
        self._batches = 0
        self.recount()

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
            self._spent = _add_parts([self._spent, sum_by_part(table["extra"])])
            self._batches += 1
        if self._started is not None and time.monotonic() - self._noted >= _NOTED_EVERY_S:
            self._note_time()

    def recount(self) -> None:
        """Count the rows of the folder again: some of them became others."""
        if self._counts_tokens:
            self._spent = count_by_part(self._clock.parent)
            self._batches = len(list_made(self._clock.parent / "candidates"))

    def find_limit(self) -> LimitName | None:
        """The limit of time or cost that is reached, else None."""
        limits = self._limits
        if limits.minutes is not None and self._elapsed_s() >= 60 * limits.minutes:
            return "max_minutes"
        if limits.cost is not None and (cost := self._find_cost()) is not None and cost >= limits.cost:
            return "max_cost"
        return None

    def would_pass(self, under_way: int) -> bool:
        """Whether a limit is reached, or that of cost will be when the batches under way are committed.

        They count as much each as those before them. The first goes alone, for nobody knows its cost.
        """
        if self.find_limit() is not None:
            return True
        cost = self._find_cost()
        if not under_way or self._limits.cost is None or cost is None:
            return False
        return not self._batches or cost + under_way * cost / self._batches >= self._limits.cost

    def _find_cost(self) -> float | None:
        """What the tokens cost that were counted; None where that is not counted, or a price is lacking."""
        return cost_of_parts(self._spent, self._prices) if self._counts_tokens else None

    @property
    def _counts_tokens(self) -> bool:
        return self._limits.cost is not None and bool(self._prices)

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
        .select(pl.col("extra").str.json_path_match("$.tokens").str.extract_all(_CALL))
        .explode("extra")
        .drop_nulls()
        .select(
            pl.col("extra").str.extract(r"\[(\d+),", 1).cast(pl.Int64).alias("in"),
            pl.col("extra").str.extract(r"^\[\d+,(\d+)", 1).cast(pl.Int64).alias("out"),
        )
        .sum()
    )
    n_in, n_out = calls.row(0)
    return n_in, n_out


def count_by_part(folder: Path) -> PartTokens:
    """The tokens of every call for the rows of a run folder by the part of the work, as `count_tokens`."""
    return _add_parts(sum_by_part(extra) for extra in _read_extras(list_made(folder / "candidates")))


def sum_by_part(extra: pa.ChunkedArray) -> PartTokens:
    """The tokens in a column of `extra`, by the part of the work: `spent` is {part: [in, out, cached]}.

    A row that does not say so has spent all of its `tokens` on its writer.
    """
    frame = pl.DataFrame({"extra": pl.Series(extra, dtype=pl.String)})
    spent = frame.select(
        pl.col("extra").str.json_path_match("$.spent").alias("spent"),
        pl.col("extra").str.json_path_match("$.tokens").str.extract_all(_CALL).alias("calls"),
    )
    found = [_parse_parts(text) for text in spent["spent"].drop_nulls()]
    calls = spent.filter(pl.col("spent").is_null())["calls"].drop_nulls().explode().drop_nulls()
    for call in calls.to_list():
        n_in, n_out, *cached = orjson.loads(call)
        found.append({WRITER: (n_in, n_out, cached[0] if cached else 0)})
    return _add_parts(found)


def cost_of_parts(spent: PartTokens, prices: Prices) -> float | None:
    """What the tokens cost; None where a part that spent some has no price."""
    if any(part not in prices for part, tokens in spent.items() if any(tokens)):
        return None
    return sum(prices[part].cost_of(*tokens) for part, tokens in spent.items() if part in prices)


def _parse_parts(text: str) -> PartTokens:
    try:
        said = orjson.loads(text)
        return {str(part): (int(n[0]), int(n[1]), int(n[2])) for part, n in said.items()}
    except (ValueError, TypeError, AttributeError, LookupError):
        return {}


def _add_parts(found: Iterable[PartTokens]) -> PartTokens:
    total: PartTokens = {}
    for each in found:
        for part, (n_in, n_out, cached) in each.items():
            a, b, c = total.get(part, (0, 0, 0))
            total[part] = (a + n_in, b + n_out, c + cached)
    return total


_CALL = r"\[\d{1,12},\d{1,12}(?:,\d{1,12})?\]"


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
