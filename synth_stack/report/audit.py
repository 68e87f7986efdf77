"""The page of an audit: one HTML file without a script, for a reader who has seen no other page of ours."""

from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from synth_stack.report.audit_pieces import format_percent
from synth_stack.report.audit_sections import (
    draw_copies,
    draw_drift,
    draw_exams,
    draw_gates,
    draw_grounding,
    draw_groups,
    draw_plan,
    draw_reading,
    draw_signs,
)
from synth_stack.report.html import escape_text as escape
from synth_stack.report.html import read_asset
from synth_stack.text.page_policy import digest_source
from synth_stack.text.printable import count_noun

Json = Mapping[str, Any]


def render_audit(audit: Json) -> str:
    """The page of an audit (audits/document.py); the same audit gives the same bytes.

    Nothing from a row, a file name or a gate file becomes markup: all of it is escaped, and the page's own
    policy allows no script at all.
    """
    style = f"{read_asset('report.css')}\n{read_asset('audit.css')}"
    dataset = audit["dataset"]
    return Template(read_asset("audit.html")).substitute(
        style=style,
        style_digest=digest_source(style),
        title=escape(dataset["name"]),
        verdict=_say_verdict(audit),
        meaning=escape(_say_meaning(audit)),
        interval=escape(_say_interval(dataset)),
        gaps=_list_gaps(audit["not_checked"]),
        reading=draw_reading(dataset["columns"]),
        plan=draw_plan(audit),
        gates=draw_gates(audit["gates"]),
        exams=draw_exams(audit["exams"]),
        copies=draw_copies(audit["copies"]),
        group_title="By cluster" if audit["settings"]["group"] == "cluster" else "By slice",
        groups=draw_groups(
            audit["groups"],
            "No column says what a row is about: name one with --map slice=COLUMN, or use --by cluster.",
        ),
        sources=draw_groups(
            audit["sources"], "No column says where a row comes from: name one with --source-column."
        ),
        drift=draw_drift(audit["baseline"]),
        grounding=draw_grounding(audit["grounding"]),
        signs=draw_signs(audit["signs"]),
        review=_draw_review(audit["review"]),
        facts=_list_facts(audit),
    )


def _say_verdict(audit: Json) -> str:
    defects, dataset = audit["overall"]["defects"], audit["dataset"]
    drawn = " drawn at random" if dataset["sampled"] else ""
    count, rows = f"{defects['count']:,}", count_noun(defects["rows"], "row")
    have = "has" if defects["count"] == 1 else "have"
    said = (
        f"<b>{count} of {rows}{drawn} ({format_percent(defects['share'] or 0)})</b> {have} a defect that "
        f"these gates can see: {audit['overall']['rejected']:,} to leave out, "
        f"{audit['overall']['held']:,} for a person to look at."
    )
    corrected = audit["overall"]["corrected"]
    if corrected is not None:
        said += (
            f" Corrected for the gates' measured error: <b>{format_percent(corrected['share'])}</b> "
            f"({format_percent(corrected['low'])} to {format_percent(corrected['high'])})."
        )
    wide = audit["baseline"]["found"]
    if wide:
        said += f" Besides, {count_noun(len(wide), 'finding')} on the data as a whole, or on a slice."
    failed = [gate["gate"] for gate in audit["gates"] if gate["self_test"] and gate["self_test"]["failed"]]
    if failed:
        said += f" <b>Not to be trusted here: {escape(', '.join(failed))}</b>, which failed the self-test."
    return said


def _say_meaning(audit: Json) -> str:
    defects = audit["overall"]["defects"]
    span = f"{format_percent(defects['low'])} to {format_percent(defects['high'])}"
    if audit["dataset"]["sampled"]:
        said = f"Of all rows of the data set, {span} would be found so (95% interval)."
    else:
        said = f"All rows were judged. Another batch made in the same way would show {span} (95% interval)."
    corrected = audit["overall"]["corrected"]
    if corrected is None:
        return said
    return (
        f"{said} The correction: of {corrected['judged']:,} labelled rows that a gate turned away, people "
        "agreed on "
        f"{corrected['right']:,}; of {corrected['passed']:,} that all gates let pass, people found "
        f"{corrected['missed']:,} to have a defect. It holds where the labelled rows are like these."
    )


def _say_interval(dataset: Json) -> str:
    if dataset["sampled"]:
        return (
            "A sample was judged. In 95 of 100 such samples the interval holds the rate of the whole data "
            "set "
            "(Clopper and Pearson 1934). It is 95% for each figure, and not for all of them together."
        )
    return (
        "What the figure may be for another batch from the same source: in 95 of 100 such batches the "
        "interval holds "
        "the source's rate (Clopper and Pearson 1934). It is 95% for each figure, and not for all of them "
        "together."
    )


def _list_gaps(gaps: Sequence[Json]) -> str:
    lines = []
    for gap in gaps:
        mend = f' <span class="mend">{_mark_code(gap["mend"])}</span>' if gap["mend"] else ""
        lines.append(f"<li><b>{escape(gap['what'])}</b>{escape(gap['why'])}{mend}</li>")
    return (
        f'<ul class="gaps">{"".join(lines)}</ul>' if lines else "<p>Nothing that these gates could check.</p>"
    )


def _mark_code(text: str) -> str:
    """A sentence of ours, escaped, with what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))


def _draw_review(review: Json | None) -> str:
    if review is None:
        return "<p>No accepted row is left to read.</p>"
    besides = count_noun(review["besides"], "more row")
    tail = f" The plan draws {besides} for an estimate of what ships." if review["besides"] else ""
    return (
        f"<p>No gate replaces a reader. {count_noun(review['rows'], 'row')} drawn from "
        f"{count_noun(review['lots'], 'lot')} (about {review['hours']:g} hours for one reader) would show "
        f"with {format_percent(review['confidence'])} confidence any lot in which "
        f"{format_percent(review['finds'])} of the rows are bad.{tail}</p>"
        "<pre tabindex='0'><code>synth-stack review plan .</code></pre>"
    )


def _list_facts(audit: Json) -> str:
    facts = {
        "data set": audit["dataset"]["name"],
        "its SHA-256": audit["dataset"]["sha256"],
        "rows judged": f"{audit['dataset']['rows']:,}",
        "gates": ", ".join(audit["judged_by"]["order"]),
        "identity of the gates": audit["judged_by"]["gates"],
    }
    return "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items()
    )
