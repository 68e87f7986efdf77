"""Pieces of an audit's page: rates in percent, tables, bars of intervals, quoted rows; all of it escaped."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synth_stack.report.html import escape_text as escape

Json = Mapping[str, Any]

_MARKS = re.compile(r"([._])(?=.)")
"""After which a code may wrap: it is one word for a browser."""

LEAST_SCALE = 0.1
"""A bar of rates ends at a tenth at least: where all are small, none is drawn as if it were large."""


def format_rate(rate: Json) -> str:
    """A rate with its interval in percent: 4.2% (3.0% to 5.6%)."""
    if rate["share"] is None:
        return "–"
    return (
        f"{format_percent(rate['share'])} ({format_percent(rate['low'])} to {format_percent(rate['high'])})"
    )


def format_percent(share: float) -> str:
    """A share in percent; small ones with a second decimal, and 0% only where it is none."""
    percent = 100 * share
    if percent == 0 or percent >= 1:
        return f"{percent:.1f}%"
    return f"{percent:.2f}%" if percent >= 0.005 else "<0.01%"


def draw_table(caption: str, heads: Sequence[str], lines: Sequence[str]) -> str:
    """A table; a head that ends with #n is of a column of numbers."""
    cells = "".join(
        f'<th scope="col"{" class=" + chr(34) + "n" + chr(34) if head.endswith("#n") else ""}>'
        f"{escape(head.removesuffix('#n'))}</th>"
        for head in heads
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        '<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(caption or heads[0])}"><table>{said}<thead><tr>'
        f"{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def draw_rate_line(what: str, rate: Json, tail: int = 0) -> str:
    """A line of a table: what, how many, and the rate; with `tail` empty cells it is the rest of a list."""
    count = f"{rate['rows']:,}" if tail else f"{rate['count']:,}"
    return (
        f'<tr><th scope="row">{escape(what)}</th><td class="n">{count}</td>'
        f'<td class="n">{escape(format_rate(rate))}</td>{"<td></td>" * tail}</tr>'
    )


def draw_bar(rate: Json, most: float) -> str:
    """The interval of a rate as a bar, of a width that `most` fills."""
    if rate["share"] is None:
        return ""
    scale = 100 / most if most else 0
    low, high, dot = (round(rate[name] * scale, 2) for name in ("low", "high", "share"))
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="12"/>'
        f'<rect class="span" x="{low}" width="{round(max(high - low, 0.5), 2)}" height="12"/>'
        f'<rect class="dot" x="{max(dot - 0.5, 0):g}" width="1" height="12"/></svg>'
    )


def quote_examples(examples: Iterable[Json]) -> str:
    """Rows as block quotes, each with its place and its reason."""
    quotes = []
    for example in examples:
        where = f"row {example['position']:,}" + (f" of {example['split']}" if example["split"] else "")
        quotes.append(
            f"<blockquote>{escape_lines(example['text'] or '')}<cite>{escape(where)}: "
            f"{escape(example['reason'] or '')}"
            "</cite></blockquote>"
        )
    return "".join(quotes)


def escape_lines(text: str) -> str:
    """`escape` line by line: a quoted text keeps its line ends."""
    return "\n".join(escape(line) for line in text.split("\n"))


def name_reason(reason_class: str | None, gate: str) -> str:
    """A reason class in words, with the code behind it."""
    code = reason_class or gate
    words = code.split(".", 1)[-1].replace("_", " ").replace(".", ": ")
    shown = _MARKS.sub(r"\1<wbr>", escape(code))
    return f"{escape(words)} <code>{shown}</code>"
