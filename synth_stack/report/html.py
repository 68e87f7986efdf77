"""The run report: one HTML file that draws itself, needs no network and runs no script but its own."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.decisions.figures import Figures
from synth_stack.report.review import render_review
from synth_stack.report.unchecked import Unchecked
from synth_stack.text.page_policy import digest_source

SCRIPTS = tuple(
    f"{name}.js"
    for name in (
        *("text", "charts", "funnel", "self_tests", "evidence", "detail", "rows", "pictures", "clusters"),
        *("sheets", "yields", "tables", "report"),
    )
)
"""In the order in which they define what the next one uses; the page holds them as one script."""

_NO_PICTURES: Mapping[str, Any] = {"distributions": [], "map": None, "sheets": None}
FIRST_GAPS = 6
"""Of what was not checked, shown open; the rest opens with a click: the figures stay on the screen."""
_NESTED = ("messages", "alternatives", "documents")
_ESCAPES = [(c.encode(), f"\\u{ord(c):04x}".encode()) for c in "<>&\u2028\u2029"]


def render_report(
    figures: Figures,
    audit_rows: pa.Table,
    *,
    title: str,
    facts: Mapping[str, Any],
    pictures: Mapping[str, Any] = _NO_PICTURES,
    review: Mapping[str, Any] | None = None,
    unchecked: Sequence[Unchecked] = (),
) -> str:
    """The whole page. `audit_rows` is what `collect_audit_rows` gave; `facts` are shown in their order.
    `pictures` by name, each left out where there is nothing to draw: "distributions", how the batch is spread
    beside other rows; "map", what `draw_map` gave; "clusters", what `list_clusters` gave; "sheets", what
    `draw_sheets` gave: only with these does the page's policy let images in, those that it holds; "yields",
    rows accepted over thresholds; "heat", "costs" and "beside" (slice_heat.py, costs.py, beside.py). `review`
    is the outcome of a review, where there was one, `unchecked` what stands on top.

    Nothing from a row becomes markup: rows travel as JSON in which no markup character is left, the
    script makes text nodes of them, and the page's own policy (CSP level 3, trusted types) refuses every
    script and style but the two whose digests it names.
    """
    script = "\n".join(read_asset(name) for name in SCRIPTS)
    style = read_asset("report.css")
    rows = [_trim(row) for row in audit_rows.to_pylist()]
    data = {"figures": figures.to_json(), "rows": rows, "pictures": pictures}
    return Template(read_asset("report.html")).substitute(
        script_digest=digest_source(script),
        style_digest=digest_source(style),
        image_policy=" img-src data:;" if pictures.get("sheets") else "",
        title=escape_text(title),
        facts="\n".join(_render_fact(name, value) for name, value in facts.items()),
        alarm=_render_alarm(figures),
        totals=_render_totals(figures),
        unchecked=_render_unchecked(unchecked),
        review=render_review(review, figures.accepted),
        sample=escape_text(_describe_sample(figures, audit_rows)),
        style=style,
        script=script,
        data=embed_json(data),
    )


def embed_json(value: Any) -> str:
    """`value` as JSON that can stand inside a script element: no <, >, &, U+2028 or U+2029 in it.

    HTML (13.2.5.4, script data state) ends the element at "</script", whatever JSON says around it.
    """
    written = orjson.dumps(value)
    for character, escaped in _ESCAPES:
        written = written.replace(character, escaped)  # ten times as fast as str.translate
    return written.decode()


def _trim(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the nulls within its lists: a plain message would be more of them than of words."""
    return {name: _drop_nulls(value) if name in _NESTED else value for name, value in row.items()}


def _drop_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _drop_nulls(item) for name, item in value.items() if item is not None}
    return [_drop_nulls(item) for item in value] if isinstance(value, list) else value


def read_asset(name: str) -> str:
    """A style, script or page of this package, without the white space around it."""
    return files("synth_stack.report").joinpath(name).read_text(encoding="utf-8").strip()


def escape_text(text: str) -> str:
    """HTML text in which characters without a glyph of their own are spelt out."""
    return html.escape("".join(c if c.isprintable() else f"⟨U+{ord(c):04X}⟩" for c in text))


def _render_fact(name: str, value: Any) -> str:
    return f"<div><dt>{escape_text(name)}</dt><dd>{escape_text(_describe(value))}</dd></div>"


def _describe(value: Any) -> str:
    match value:
        case None:
            return "–"
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_describe(item) for item in value)
        case Mapping():
            return ", ".join(f"{key}: {_describe(item)}" for key, item in value.items())
        case _:
            return str(value)


def _render_alarm(figures: Figures) -> str:
    """What no reader may overlook, drawn here too: the gates that failed their self-test."""
    lines = [f"<li>{escape_text(test.describe())}.</li>" for test in figures.self_tests if test.failed]
    if not lines:
        return ""
    what = "A gate failed its self-test" if len(lines) == 1 else f"{len(lines)} gates failed their self-tests"
    rest = "What it says of the batch cannot be trusted: no row is accepted, no pack made."
    return f'<div class="alarm" role="alert"><p><b>{what}.</b> {rest}</p><ul>{"".join(lines)}</ul></div>'


def _render_unchecked(gaps: Sequence[Unchecked]) -> str:
    """What was not checked, in the page itself, so that it stands without the script too."""
    if not gaps:
        return ""
    lines = [f"<li><b>{escape_text(gap.what)}</b> {escape_text(gap.why)}</li>" for gap in gaps]
    first, rest = "".join(lines[:FIRST_GAPS]), "".join(lines[FIRST_GAPS:])
    more = len(lines) - FIRST_GAPS
    opened = f"<details><summary>{more} more</summary><ul>{rest}</ul></details>" if rest else ""
    return f'<section class="unchecked"><h2>What was not checked</h2><ul>{first}</ul>{opened}</section>'


def _render_totals(figures: Figures) -> str:
    """The big numbers, drawn here rather than by the script so that they stand without it."""
    counts = {
        "accepted": figures.accepted,
        "held": figures.held,
        "rejected": figures.rejected,
        "undecided": figures.undecided,
    }
    if not figures.undecided:
        del counts["undecided"]
    parts = [f'<div class="total"><dt>generated</dt><dd>{figures.generated:,}</dd></div>']
    if figures.replacements:
        replacements = f"<dt>replacements</dt><dd>{figures.replacements:,}</dd>"
        parts.append(f'<div class="total replacements">{replacements}</div>')
    for name, count in counts.items():
        share = f"<small>{format_share(count, figures.rows)}</small>" if figures.rows else ""
        parts.append(f'<div class="total {name}"><dt>{name}</dt><dd>{count:,} {share}</dd></div>')
    return "\n".join(parts)


def format_share(part: int, whole: int) -> str:
    """`part` of `whole` as a percentage with one decimal; reads 0% or 100% only where that is exact."""
    if part == 0:
        return "0%"
    if part == whole:
        return "100%"
    percent = 100 * part / whole
    if percent < 0.1:
        return "<0.1%"
    return ">99.9%" if percent > 99.9 else f"{percent:.1f}%"


def _describe_sample(figures: Figures, audit_rows: pa.Table) -> str:
    shown = Counter(d for d, listed in _pairs(audit_rows) if listed)
    whole = {"rejected": figures.rejected, "held": figures.held, "accepted": figures.accepted}
    if all(shown[name] == count for name, count in whole.items()):
        return "Every decided row is here." if shown.total() else ""
    parts = [
        f"all {count:,} {name}" if shown[name] == count else f"{shown[name]:,} of {count:,} {name}"
        for name, count in whole.items()
        if count
    ]
    listed = ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
    return f"A sample: {listed} rows, at even distances over the batch. The run folder holds every row."


def _pairs(audit_rows: pa.Table) -> list[tuple[str, bool]]:
    return list(zip(audit_rows["decision"].to_pylist(), audit_rows["listed"].to_pylist(), strict=True))
