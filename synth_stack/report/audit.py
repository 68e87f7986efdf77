"""The page of an audit: one HTML file without a script, for a reader who has seen no other page of ours."""

from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

from synth_stack.report.html import digest_source, read_asset
from synth_stack.report.html import escape_text as escape

Json = Mapping[str, Any]

HARMS = {
    "people": "reaches people",
    "exams": "spoils exams",
    "truth": "teaches what is false",
    "form": "broken form",
    "spread": "narrows the data",
}
_DONE = {"drop": "drop", "hold": "hold for a person", "rewrite": "rewrite"}


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
        plan=_draw_plan(audit),
        gates=_draw_gates(audit["gates"]),
        exams=_draw_exams(audit["exams"]),
        copies=_draw_copies(audit["copies"]),
        group_title="By cluster" if audit["settings"]["group"] == "cluster" else "By slice",
        groups=_draw_groups(
            audit["groups"],
            "No column says what a row is about: name one with --map slice=COLUMN, or use --by cluster.",
        ),
        sources=_draw_groups(
            audit["sources"], "No column says where a row comes from: name one with --source-column."
        ),
        drift=_draw_drift(audit["baseline"]),
        grounding=_draw_grounding(audit["grounding"]),
        signs=_draw_signs(audit["signs"]),
        review=_draw_review(audit["review"]),
        facts=_list_facts(audit),
    )


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


def _say_verdict(audit: Json) -> str:
    defects, dataset = audit["overall"]["defects"], audit["dataset"]
    drawn = " drawn at random" if dataset["sampled"] else ""
    count, rows = f"{defects['count']:,}", f"{defects['rows']:,}"
    said = (
        f"<b>{count} of {rows} rows{drawn} ({format_percent(defects['share'] or 0)})</b> have a defect that "
        "these "
        f"gates can see: {audit['overall']['rejected']:,} to leave out, {audit['overall']['held']:,} for a "
        "person to "
        "look at."
    )
    corrected = audit["overall"]["corrected"]
    if corrected is not None:
        said += (
            f" Corrected for the gates' measured error: <b>{format_percent(corrected['share'])}</b> "
            f"({format_percent(corrected['low'])} to {format_percent(corrected['high'])})."
        )
    wide = audit["baseline"]["found"]
    if wide:
        said += f" Besides, {_plural(len(wide), 'finding')} on the data as a whole, or on a slice."
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
        mend = f' <span class="mend">{escape(gap["mend"])}</span>' if gap["mend"] else ""
        lines.append(f"<li><b>{escape(gap['what'])}</b>{escape(gap['why'])}{mend}</li>")
    return (
        f'<ul class="gaps">{"".join(lines)}</ul>' if lines else "<p>Nothing that these gates could check.</p>"
    )


def _draw_plan(audit: Json) -> str:
    plan, rows = audit["plan"], audit["dataset"]["rows"]
    if not plan["steps"]:
        return "<p>Nothing: no gate turned a row away.</p>"
    lines = []
    for step in plan["steps"]:
        took = f"{step['rows']:,}"
        if step["action"] == "rewrite":
            took += f" ({step['rewritten']:,} copies pass)"
        lost = ", ".join(
            f"{escape(group['name'])} {group['rows']:,} of {group['of']:,}" for group in step["groups"]
        )
        lines.append(
            f'<tr><td class="n">{step["number"]}</td>'
            f'<td><span class="act {step["action"]}">{_DONE[step["action"]]}</span></td>'
            f'<th scope="row">{_name_reason(step["reason_class"], step["gate"])}</th>'
            f"<td>{HARMS[step['harm']]}</td>"
            f'<td class="n">{took}</td><td class="n">{step["size_after"]:,}</td>'
            f'<td class="n">{escape(format_rate(step["defects_after"]))}</td><td '
            f'class="wide">{lost or "–"}</td></tr>'
        )
    table = _table(
        f"{rows:,} rows before the first step. A row belongs to the first step that takes it.",
        ("#n", "Do", "Why", "Harm", "Rows#n", "Rows left#n", "Known defects left#n", "Slices that lose most"),
        lines,
    )
    anew = "".join(
        f"<li>{escape(short['group'])}: {short['make']:,} rows (it loses {short['lost']:,} of "
        f"{short['rows']:,})</li>"
        for short in plan["regenerate"]
    )
    if anew:
        table += f"<h3>Make anew, since the mix has changed</h3><ul>{anew}</ul>"
    return table + (
        "<p>Known defects are those that these gates can see; what they miss stays in. Held rows wait for a "
        "person, and "
        "are not in the pack until one releases them.</p><p>To carry all of it out, in the folder that "
        "holds this page:</p>"
        "<pre><code>synth-stack audit --apply . --out ../curated_pack\nsynth-stack verify "
        "../curated_pack</code></pre>"
        "<p>To leave a step out, take its gate out of a copy of <code>remedy/gates.yaml</code>, or change "
        "its parameters "
        "there, and name the copy with <code>--gates</code>.</p>"
    )


def _draw_gates(gates: Sequence[Json]) -> str:
    lines = []
    most = max((gate["rate"]["high"] for gate in gates if gate["rate"]["rows"]), default=1.0)
    for gate in gates:
        test = gate["self_test"]
        tested = "none"
        if test is not None:
            tested = (
                f"{test['caught']:,} of {test['canaries']:,} caught, "
                f"{test['turned_away']:,} of {test['controls']:,} blamed"
            )
        right = (
            f"; people agreed with {escape(format_rate(gate['right']))} of labelled ones"
            if gate["right"]
            else ""
        )
        lines.append(
            f'<tr><th scope="row">{escape(gate["gate"])}</th><td class="n">{gate["rate"]["rows"]:,}</td>'
            f'<td class="n">{gate["rate"]["count"]:,}</td><td '
            f'class="n">{escape(format_rate(gate["rate"]))}</td>'
            f"<td>{_bar(gate['rate'], most)}</td><td>{tested}{right}</td></tr>"
        )
    heads = ("Gate", "Rows judged#n", "Turned away#n", "Rate (95% interval)#n", "", "Self-test")
    parts = [_table("A gate judges the rows that no earlier gate rejected.", heads, lines)]
    for gate in gates:
        for reason in gate["reasons"]:
            what = "rejected" if reason["outcome"] == "reject" else "held"
            head = (
                f"{_name_reason(reason['reason_class'], gate['gate'])}: {reason['rate']['count']:,} {what}, "
                f"{escape(format_rate(reason['rate']))}"
            )
            parts.append(f"<details><summary>{head}</summary>{_quote(reason['examples'])}</details>")
    return "".join(parts)


def _draw_exams(exams: Sequence[Json]) -> str:
    if not exams:
        return "<p>No evaluation set was named, so nothing was compared.</p>"
    lines = [
        f'<tr><th scope="row">{escape(exam["eval_set"])}</th><td class="n">{exam["items"]:,}</td>'
        f'<td class="n">{exam["items_found"]:,}</td><td class="n">{exam["rate"]["count"]:,}</td>'
        f'<td class="n">{escape(format_rate(exam["rate"]))}</td></tr>'
        for exam in exams
    ]
    heads = ("Evaluation set", "Items#n", "Items found#n", "Rows that repeat one#n", "Rate (95% interval)#n")
    table = _table("", heads, lines)
    worst = "".join(
        "<details><summary>The worst of "
        f"{escape(exam['eval_set'])}</summary>{_quote(exam['worst'])}</details>"
        for exam in exams
        if exam["worst"]
    )
    return table + worst


def _draw_copies(copies: Json) -> str:
    named = ", ".join(copies["gates"]) or "no gate found any"
    lines = [
        _rate_line("Exact copies of an earlier row", copies["exact"]),
        _rate_line(f"Near-copies of another row ({named})", copies["near"]),
        _rate_line("Copies of reference rows", copies["references"]),
    ]
    lines += [
        _rate_line(f"Rows of {cross['split']} that {cross['other']} has too", cross["rate"])
        for cross in copies["across"]
    ]
    splits = ", ".join(f"{name}: {count:,} rows" for name, count in copies["splits"].items())
    caption = f"Splits: {splits}." if splits else "The data has no splits that are known."
    crossed = "".join(
        f"<blockquote><cite>{escape(cross['split'])}, row "
        f"{example['position']:,}</cite>{escape(example['text'] or '')}"
        f"<cite>{escape(cross['other'])}, row {example['other_position']:,}</cite>"
        f"{escape(example['other_text'] or '')}</blockquote>"
        for cross in copies["across"]
        for example in cross["examples"]
    )
    across = f"<details><summary>Rows that two splits share</summary>{crossed}</details>" if crossed else ""
    near = (
        f"<details><summary>Near-copies</summary>{_quote(copies['examples'])}</details>"
        if copies["examples"]
        else ""
    )
    return _table(caption, ("What", "Rows#n", "Rate (95% interval)#n"), lines) + across + near


def _draw_groups(measured: Json | None, nothing: str) -> str:
    if measured is None:
        return f"<p>{escape(nothing)}</p>"
    most = max((group["rate"]["high"] for group in measured["groups"]), default=1.0)
    lines = []
    for group in measured["groups"]:
        by = ", ".join(f"{escape(name)} {count:,}" for name, count in group["gates"].items())
        name = "(none)" if group["name"] is None else escape(group["name"])
        lines.append(
            f'<tr><th scope="row">{name}</th><td class="n">{group["rate"]["rows"]:,}</td>'
            f'<td class="n">{escape(format_rate(group["rate"]))}</td><td>{_bar(group["rate"], most)}</td>'
            f'<td class="wide">{by or "–"}</td></tr>'
        )
    if measured["rest"] is not None:
        lines.append(_rate_line(f"{measured['folded']:,} smaller ones together", measured["rest"], tail=2))
    return _table("", ("Name", "Rows#n", "With a defect (95% interval)#n", "", "By gate"), lines)


def _draw_drift(drift: Json) -> str:
    parts = [
        f"<p>{escape(baseline['gate'])} compared {baseline['compared']:,} rows with "
        f"{escape(baseline['name'])}.</p>"
        for baseline in drift["baselines"]
    ]
    if not drift["baselines"]:
        parts.append("<p>No baseline was given.</p>")
    lines = [
        f'<tr><th scope="row">{escape(found["gate"])}</th><td>{escape(found["scope"])}</td>'
        f'<td class="n">{found["rows"]:,}</td><td '
        f'class="wide">{escape(found["reason"] or found["reason_class"] or "")}</td></tr>'
        for found in drift["found"]
    ]
    if lines:
        heads = ("Gate", "Of", "Rows concerned#n", "What it found")
        parts.append(_table("Findings on the batch or on a slice as a whole.", heads, lines))
    lines = [
        f'<tr><th scope="row">{escape(row["what"])}</th><td class="wide">{escape(_say_spread(row))}</td></tr>'
        for row in drift["spread"]
    ]
    if lines:
        parts.append(
            _table("How the data lie beside the other rows.", ("What", "These rows, and the others"), lines)
        )
    return "".join(parts)


def _say_spread(row: Json) -> str:
    if "moved" in row:
        return "; ".join(
            f"{part['label']} {format_percent(part['batch'])} beside {format_percent(part['other'])}"
            for part in row["moved"]
        )
    return f"median {row['batch']:g} beside {row['other']:g}" if "batch" in row else "–"


def _draw_grounding(grounding: Json) -> str:
    rate = grounding["with_documents"]
    said = f"<p>{rate['count']:,} of {rate['rows']:,} rows bring a document that they are grounded in.</p>"
    for gate in grounding["gates"]:
        said += (
            f"<p>{escape(gate['gate'])} could judge {gate['judged']:,} of the {gate['looked_at']:,} rows "
            "that it saw; it "
            f"turned away {gate['turned_away']['count']:,} of the {rate['count']:,} with documents.</p>"
        )
    if not grounding["gates"]:
        said += "<p>No gate of the file compares answers with documents.</p>"
    return said


def _draw_signs(signs: Json) -> str:
    lines = [
        _rate_line("Rows in which a model speaks of itself", signs["self_reference"]),
        _rate_line("Rows with a turn that models overuse", signs["phrases"]["rate"]),
        _rate_line("Rows whose first line fills a frame that others fill too", signs["templates"]["rate"]),
    ]
    said = "<p>These are signs and no verdict: people write so too, and nothing was turned away for them.</p>"
    table = _table("", ("Sign", "Rows#n", "Rate (95% interval)#n"), lines)
    most = [f"“{part['phrase']}” in {_plural(part['rows'], 'row')}" for part in signs["phrases"]["most"]]
    most += [
        f"frame “{part['frame']}” in {_plural(part['rows'], 'row')}" for part in signs["templates"]["most"]
    ]
    most += [f"opening “{part['opening']} …” in {_plural(part['rows'], 'row')}" for part in signs["openings"]]
    listed = "".join(f"<li>{escape(line)}</li>" for line in most)
    return (
        said
        + table
        + (f"<details><summary>The commonest</summary><ul>{listed}</ul></details>" if listed else "")
    )


def _draw_review(review: Json | None) -> str:
    if review is None:
        return "<p>No accepted row is left to read.</p>"
    return (
        f"<p>No gate replaces a reader. {review['rows']:,} rows drawn from {_plural(review['lots'], 'lot')} "
        "(about "
        f"{review['hours']:g} hours for one reader) would show with {format_percent(review['confidence'])} "
        "confidence any "
        f"lot in which {format_percent(review['finds'])} of the rows are bad.</p>"
        "<pre><code>synth-stack review plan .</code></pre>"
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


def _name_reason(reason_class: str | None, gate: str) -> str:
    """A reason class in words, with the code behind it."""
    code = reason_class or gate
    words = code.split(".", 1)[-1].replace("_", " ").replace(".", ": ")
    return f"{escape(words)} <code>{escape(code)}</code>"


def _quote(examples: Iterable[Json]) -> str:
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


def _rate_line(what: str, rate: Json, tail: int = 0) -> str:
    count = f"{rate['rows']:,}" if tail else f"{rate['count']:,}"
    return (
        f'<tr><th scope="row">{escape(what)}</th><td class="n">{count}</td>'
        f'<td class="n">{escape(format_rate(rate))}</td>{"<td></td>" * tail}</tr>'
    )


def _table(caption: str, heads: Sequence[str], lines: Sequence[str]) -> str:
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


def _bar(rate: Json, most: float) -> str:
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


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
