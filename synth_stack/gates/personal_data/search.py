"""Where personal data stands in a candidate table: a sieve in Rust over all rows, a close look at what stays.

Read is every part of a row (registry.PARTS), and its `text` where that is more than its messages and
alternatives. A foreign row's other columns are in `extra`, which is handed over with the row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.personal_data.kinds import BEFORE_CHARS, KINDS, Finder, Kind, PersonalValue
from synth_stack.gates.personal_data.phones import find_regions
from synth_stack.gates.personal_data.prefilter import HINTS, Hint
from synth_stack.registry import PARTS
from synth_stack.rows.joined_text import join_texts
from synth_stack.text.fields import read_pieces, read_texts
from synth_stack.text.json_text import FILLED, FILLER, show_escaped
from synth_stack.text.parts import list_parts

if TYPE_CHECKING:
    import polars as pl

EXTRA, TEXT = "extra", "text"
"""Paths beside those of messages, alternatives, tools and documents."""

_MAX_LOCALES = 4096
"""Locales whose finder is kept: a dataset may have made up one for every row."""


_MAX_CLEANINGS = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A value and the path of the text that it stands in (text.read_pieces).

    Offsets are characters of that text as it came; of the JSON, where it is JSON.
    """

    path: str
    value: PersonalValue

    @property
    def is_in_prose(self) -> bool:
        """Whether a placeholder can take its place: in prose, and in the JSON of a row's own fields, which is
        read and written as JSON.
        """
        return (
            self.value.setting == "prose" or self.path.endswith(".arguments") or self.path in {"tools", EXTRA}
        )


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for values of `kinds` in the formats of `regions` and of each row's own locale; `own` values
    pass.
    """

    regions: tuple[str, ...]
    own: frozenset[str]
    kinds: frozenset[Kind] = frozenset(KINDS)
    _finders: dict[str | None, Finder] = field(default_factory=dict)

    def run(self, units: "pl.DataFrame", locales: Sequence[str | None]) -> dict[int, list[Found]]:
        """By row, what was found in the units of a table, in their order."""
        found: dict[int, list[Found]] = {}
        for row, path, content, before, kinds in _sift(units, self.kinds):
            finder = self._finder_for(locales[row])
            for value in finder.find(content, before, kinds):
                found.setdefault(row, []).append(Found(path, _take_escape(value, content)))
        return found

    def clean(self, text: str, locale: str | None) -> str | None:
        """The text without all that is found in it alone, of any kind; null where more than MAX_FOUND values
        stand in it, or new ones appear as often as others are taken out.
        """
        for _ in range(_MAX_CLEANINGS):
            found = self._finder_for(locale).find(text, "", self.kinds)
            if not found:
                return text
            kept, last = [], 0
            for value in found:
                kept.append(text[last : value.start])
                last = max(last, value.end)
            text = "".join([*kept, text[last:]])
        return None

    def _finder_for(self, locale: str | None) -> Finder:
        if locale not in self._finders and len(self._finders) < _MAX_LOCALES:
            extra = [r for r in find_regions(locale or "") if r not in self.regions]
            self._finders[locale] = Finder((*extra, *self.regions), self.own)
        return self._finders.get(locale) or Finder(self.regions, self.own)


def read_units(table: pa.Table) -> "pl.DataFrame":
    """What is read of each row: `row`, `path`, `content` (never null); the texts of a row in order.

    JSON (arguments, schemas, `extra`) is shown without its escapes, each character where it stood.
    """
    import polars as pl

    pieces = read_pieces(table, list_parts(table, PARTS)).select("row", "path", "content")
    repeated = pc.fill_null(pc.equal(table.column("text"), join_texts(table)), False)
    own = pa.array(~repeated.to_numpy())
    texts = pl.DataFrame(
        {"row": np.flatnonzero(own), "content": read_texts(table.column("text").filter(own))}
    ).drop_nulls()
    units = pl.concat(
        [pieces.filter(pl.col("path") != TEXT), texts.select("row", pl.lit(TEXT).alias("path"), "content")]
    ).rechunk()
    encoded = units["path"].str.ends_with(".arguments") | units["path"].is_in(["tools", EXTRA])
    places = encoded.arg_true()
    if not len(places):
        return units
    return units.with_columns(units["content"].scatter(places, show_escaped(units["content"].gather(places))))


def _take_escape(value: PersonalValue, content: str) -> PersonalValue:
    """The value with the whole of the escape that its first letter was written as."""
    start = value.start - FILLED
    return replace(value, start=start) if content[max(start, 0) : value.start] == FILLER * FILLED else value


def _sift(units: "pl.DataFrame", wanted: frozenset[Kind]) -> Iterator[tuple[int, str, str, str, list[Kind]]]:
    """Row, path, content, end of what was said before, and hinted kinds, of each unit with a hint."""
    import polars as pl

    hints = {f"hint{number}": hint for number, hint in enumerate(HINTS) if hint.kind in wanted}
    shaped = units.with_columns(plain=_flatten(units["content"])).with_columns(
        pl.col("plain").str.contains(hint.shape).alias(name) for name, hint in hints.items()
    )
    rows = shaped.filter(pl.any_horizontal(*hints))["row"].unique()
    near = shaped.filter(pl.col("row").is_in(rows.implode())).sort("row", maintain_order=True)
    near = near.with_columns(before=_find_before(near))
    near = near.with_columns(_tell(near, near[name], hint).alias(name) for name, hint in hints.items())
    said = pl.col("content").str.tail(BEFORE_CHARS).gather("before").fill_null("")
    kinds = pl.concat_list(
        [pl.when(name).then(pl.lit(hint.kind)) for name, hint in hints.items()]
    ).list.drop_nulls()
    near = near.select("row", "path", "content", said=said, kinds=kinds)
    yield from near.filter(pl.col("kinds").list.len() > 0).iter_rows()


def _find_before(units: "pl.DataFrame") -> "pl.Series":
    """Of each content of a message, the number of the unit that holds the one before; null for others.

    An alternative answers the last message.
    """
    import polars as pl

    spoken = (
        units.select("row", "path").with_row_index("unit").filter(pl.col("path").str.ends_with(".content"))
    )
    spoken = spoken.with_columns(side=pl.col("path").str.extract(r"^alternatives\.([0-9]+)").fill_null(""))
    before = spoken.with_columns(before=pl.col("unit").shift(1).over("row", "side"))
    last = spoken.filter(pl.col("side") == "").group_by("row").agg(last=pl.col("unit").last())
    before = before.join(last, on="row", how="left", maintain_order="left")
    answered = pl.when(pl.col("side") != "").then("last")
    found = before.select("unit", before=pl.coalesce("before", answered))
    every = pl.select(unit=pl.int_range(len(units), dtype=pl.UInt32))
    return every.join(found, on="unit", how="left", maintain_order="left")["before"]


def _tell(units: "pl.DataFrame", shaped: "pl.Series", hint: Hint) -> "pl.Series":
    """Which of the `shaped` units are told to be of a kind by their form, or by words in them or in the one
    before. Only these units are searched.
    """
    import polars as pl

    if hint.alone is None:
        return shaped
    some = units.select("plain", "before").filter(shaped)
    told = some["plain"].str.contains(hint.alone)
    if hint.words is not None:
        before = units["plain"].gather(some["before"]).fill_null("")
        told = told | some["plain"].str.contains(hint.words) | before.str.contains(hint.words)
    return pl.repeat(value=False, n=len(units), eager=True).scatter(shaped.arg_true(), told)


def _flatten(contents: "pl.Series") -> "pl.Series":
    """Near enough to `kinds.fold` that no hint is lost."""
    wide = (contents.str.len_bytes() != contents.str.len_chars()).arg_true()
    if not len(wide):
        return contents
    plain = contents.gather(wide).str.normalize("NFKC").str.replace_all(r"[\p{Cf}\p{Mn}\p{Me}]", "")
    plain = plain.str.replace_all(r"\p{Zs}", " ").str.replace_all(r"[\p{Pd}\x{2212}]", "-")
    return contents.scatter(wide, plain)
