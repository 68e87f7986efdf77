"""Where personal data stands in a candidate table: a sieve in Rust over all rows, a close look at what stays.

Read are every message, the `text` where it is more than its messages, and `extra`, which a foreign row's
other columns go into and which is handed over with the row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.gates.personal_data.kinds import BEFORE_CHARS, Finder, Finding, Kind
from synth_stack.gates.personal_data.phones import find_regions
from synth_stack.gates.personal_data.prefilter import HINTS, Hint
from synth_stack.text.fields import read_messages, read_texts

if TYPE_CHECKING:
    import polars as pl
    from polars.expr.string import ExprStringNameSpace

IN_TEXT, IN_EXTRA = -1, -2
"""Places of findings beside the messages, which count from 0."""

_JOINT_BYTES = 2
_MAX_LOCALES = 4096
"""Locales whose finder is kept: a dataset may have made up one for every row."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding and its place: the number of the message, IN_TEXT or IN_EXTRA.

    Offsets are characters of the message, of `text`, or of the JSON in `extra`.
    """

    place: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for the formats of `regions` and of each row's own locale; `own` values pass."""

    regions: tuple[str, ...]
    own: frozenset[str]
    _finders: dict[str | None, Finder] = field(default_factory=dict)

    def run(self, units: "pl.DataFrame", locales: Sequence[str | None]) -> dict[int, list[Found]]:
        """By row, what was found in the units of a table, in the order of messages, `text` and `extra`."""
        found: dict[int, list[Found]] = {}
        for row, place, content, before, kinds in _sift(units):
            finder = self._finder_for(locales[row])
            for finding in finder.find(content, before, kinds):
                found.setdefault(row, []).append(Found(place, finding))
        return found

    def _finder_for(self, locale: str | None) -> Finder:
        if locale not in self._finders and len(self._finders) < _MAX_LOCALES:
            extra = [r for r in find_regions(locale or "") if r not in self.regions]
            self._finders[locale] = Finder((*extra, *self.regions), self.own)
        return self._finders.get(locale) or Finder(self.regions, self.own)


def read_units(table: pa.Table) -> "pl.DataFrame":
    """What is read of each row: `row`, `place`, `content` (never null), row after row, place after place."""
    import polars as pl

    spoken = read_messages(table).select("row", "content", place="position", own=pl.col("role") != "text")
    length = pl.col("content").str.len_bytes().sum() + _JOINT_BYTES * (pl.len() - 1)
    joined = spoken.filter("own").group_by("row").agg(joined=length)
    rows = pl.DataFrame({"row": np.arange(len(table)), "text": read_texts(table.column("text"))})
    more = joined.join(rows, on="row").filter(pl.col("text").str.len_bytes() != pl.col("joined"))
    extra = rows.select("row", content=unescape(read_texts(table.column("extra"))))
    units = [
        spoken.select("row", "place", "content"),
        more.select("row", pl.lit(IN_TEXT, pl.Int64).alias("place"), content="text"),
        extra.select("row", pl.lit(IN_EXTRA, pl.Int64).alias("place"), "content"),
    ]
    return pl.concat([unit.filter(pl.col("content").is_not_null()) for unit in units]).rechunk()


def unescape(encoded: "pl.Series") -> "pl.Series":
    """JSON with its escapes blanked and each character where it stood: no n is left before a number."""
    return encoded.str.replace_all(r"\\u[0-9a-fA-F]{4}", " " * 6).str.replace_all(r"\\.", "  ")


def _sift(units: "pl.DataFrame") -> Iterator[tuple[int, int, str, str, list[Kind]]]:
    """Row, place, content, end of the message before, and hinted kinds, of each unit with a hint."""
    import polars as pl

    plain = pl.col("plain").str
    shaped = units.with_columns(plain=_flatten(units["content"])).with_columns(
        plain.contains(hint.shape).alias(kind) for kind, hint in HINTS.items()
    )
    rows = shaped.filter(pl.any_horizontal(*HINTS))["row"].unique()
    near = shaped.filter(pl.col("row").is_in(rows.implode()))
    near = near.sort("row", pl.col("place") < 0, pl.col("place").abs()).with_columns(
        (pl.col(kind) & _tell(plain, hint)).alias(kind) for kind, hint in HINTS.items() if hint.alone
    )
    said = pl.col("content").str.tail(BEFORE_CHARS).shift(1).over("row")
    before = pl.when(pl.col("place") > 0).then(said).fill_null("")
    kinds = pl.concat_list([pl.when(kind).then(pl.lit(kind)) for kind in HINTS]).list.drop_nulls()
    near = near.select("row", "place", "content", before=before, kinds=kinds)
    yield from near.filter(pl.col("kinds").list.len() > 0).iter_rows()


def _tell(plain: "ExprStringNameSpace", hint: Hint) -> "pl.Expr":
    """Whether a unit is told to be of a kind by its form, or by words in it or in the one before."""
    told = plain.contains(hint.alone or "")
    if hint.words is None:
        return told
    words = plain.contains(hint.words)
    return told | words | words.shift(1, fill_value=False).over("row")


def _flatten(contents: "pl.Series") -> "pl.Series":
    """Near enough to `kinds.fold` that no hint is lost."""
    wide = (contents.str.len_bytes() != contents.str.len_chars()).arg_true()
    if not len(wide):
        return contents
    plain = contents.gather(wide).str.normalize("NFKC").str.replace_all(r"[\p{Cf}\p{Mn}\p{Me}]", "")
    plain = plain.str.replace_all(r"\p{Zs}", " ").str.replace_all(r"[\p{Pd}\x{2212}]", "-")
    return contents.scatter(wide, plain)
