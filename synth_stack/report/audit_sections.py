"""The sections of an audit's page, one function each: what to do, and what was found where."""

from collections.abc import Mapping, Sequence
from typing import Any

from synth_stack.report.audit_pieces import (
    LEAST_SCALE,
    draw_bar,
    draw_rate_line,
    draw_table,
    format_percent,
    format_rate,
    name_reason,
    quote_examples,
)
from synth_stack.report.html import escape_text as escape
from synth_stack.text.printable import count_noun

Json = Mapping[str, Any]

HARMS = {
    "people": "reaches people",
    "exams": "spoils exams",
    "truth": "teaches what is false",
    "form": "broken form",
    "spread": "narrows the data",
}
_DONE = {"drop": "drop", "hold": "hold for a person", "rewrite": "rewrite"}


FIELD_WORDS = {
    "messages": "the conversation",
    "prompt": "what is asked",
    "input": "what is asked, after the prompt",
    "answer": "the answer",
    "text": "a text without turns",
    "chosen": "the answer that was chosen",
    "rejected": "the answer that was rejected",
    "documents": "what the row is grounded in",
    "slice": "what the row is about",
    "id": "the name of the row",
}
"""Fields of a row in words; what is not here is said as it is named."""


def draw_reading(columns: Sequence[Json]) -> str:
    """Which column was taken for what, so that a reader sees whether the rows were understood."""
    if not columns:
        return "<p>These rows say themselves what they are: no column had to be understood.</p>"
    lines = [
        f'<tr><th scope="row">{escape(column["column"] or "(no name)")}</th>'
        f"<td>{escape(FIELD_WORDS.get(column['field'], str(column['field'])))}</td>"
        f'<td class="n">{column["rows"]:,}</td></tr>'
        for column in columns
    ]
    table = draw_table("", ["Column", "Read as", "Rows#n"], lines)
    fields = {column["field"] for column in columns}
    if fields & {"answer", "messages", "text", "chosen"}:
        return table
    return f"{table}<p>No column was read as the answer: name it with <code>--map answer=COLUMN</code>.</p>"


def draw_plan(audit: Json) -> str:
    """The plan as a table, with the commands that carry it out."""
    plan, rows = audit["plan"], audit["dataset"]["rows"]
    if not plan["steps"]:
        return "<p>Nothing: no gate turned a row away.</p>"
    lines = []
    for step in plan["steps"]:
        took = f"{step['rows']:,}"
        if step["action"] == "rewrite":
            took += f" ({step['rewritten']:,} of the copies pass)"
        lost = ", ".join(
            f"{escape(group['name'])} {group['rows']:,} of {group['of']:,}" for group in step["groups"]
        )
        lines.append(
            f'<tr><td class="n">{step["number"]}</td>'
            f'<td><span class="act {step["action"]}">{_DONE[step["action"]]}</span></td>'
            f'<th scope="row">{name_reason(step["reason_class"], step["gate"])}{_say_references(step)}</th>'
            f"<td>{HARMS[step['harm']]}</td>"
            f'<td class="n">{took}</td><td class="n">{step["size_after"]:,}</td>'
            f'<td class="n">{escape(format_rate(step["defects_after"]))}</td><td '
            f'class="wide">{lost or "–"}</td></tr>'
        )
    table = draw_table(
        f"{count_noun(rows, 'row')} before the first step. A row belongs to the first step that takes it.",
        ("#n", "Do", "Why", "Harm", "Rows#n", "Rows left#n", "Known defects left#n", "Slices that lose most"),
        lines,
    )
    anew = "".join(
        f"<li>{escape(short['group'])}: {count_noun(short['make'], 'row')} (it loses {short['lost']:,} of "
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
        "<pre tabindex='0'><code>synth-stack audit --apply . --out ../curated_pack\nsynth-stack verify "
        "../curated_pack</code></pre>"
        "<p>To leave a step out, take its gate out of a copy of <code>remedy/gates.yaml</code>, or change "
        "its parameters "
        "there, and name the copy with <code>--gates</code>.</p>"
    )


def _say_references(step: Json) -> str:
    told = ", ".join(f"of {name}: {count:,}" for name, count in step["references"].items())
    return f" ({escape(told)})" if told else ""


def draw_gates(gates: Sequence[Json]) -> str:
    """What each gate turned away, its self-test, and examples of each reason."""
    lines = []
    most = max((gate["rate"]["high"] for gate in gates if gate["rate"]["rows"]), default=1.0)
    most = max(most, LEAST_SCALE)
    for gate in gates:
        test = gate["self_test"]
        tested = "it planted no rows"
        if test is not None and test["canaries"] + test["controls"]:
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
            f'<td>{draw_bar(gate["rate"], most)}</td><td class="wide">{tested}{right}</td></tr>'
        )
    heads = ("Gate", "Rows judged#n", "Turned away#n", "Rate (95% interval)#n", "", "Self-test")
    parts = [draw_table("A gate judges the rows that no earlier gate rejected.", heads, lines)]
    for gate in gates:
        for reason in gate["reasons"]:
            what = "rejected" if reason["outcome"] == "reject" else "held"
            head = (
                f"{name_reason(reason['reason_class'], gate['gate'])}: {reason['rate']['count']:,} {what}, "
                f"{escape(format_rate(reason['rate']))}"
            )
            parts.append(f"<details><summary>{head}</summary>{quote_examples(reason['examples'])}</details>")
    return "".join(parts)


def draw_exams(exams: Sequence[Json]) -> str:
    """Each evaluation set, and the rows that repeat it most."""
    if not exams:
        return "<p>No evaluation set was named, so nothing was compared.</p>"
    lines = [
        f'<tr><th scope="row">{escape(exam["eval_set"])}</th><td class="n">{exam["items"]:,}</td>'
        f'<td class="n">{exam["items_found"]:,}</td><td class="n">{exam["rate"]["count"]:,}</td>'
        f'<td class="n">{escape(format_rate(exam["rate"]))}</td></tr>'
        for exam in exams
    ]
    heads = ("Evaluation set", "Items#n", "Items found#n", "Rows that repeat one#n", "Rate (95% interval)#n")
    table = draw_table("", heads, lines)
    worst = "".join(
        "<details><summary>The worst of "
        f"{escape(exam['eval_set'])}</summary>{quote_examples(exam['worst'])}</details>"
        for exam in exams
        if exam["worst"]
    )
    return table + worst


def draw_copies(copies: Json) -> str:
    """Copies within the rows, across splits and of reference rows."""
    named = ", ".join(copies["gates"]) or "no gate found any"
    lines = [
        draw_rate_line(f"Copies of {reference['name']}, which was named as a reference", reference["rate"])
        for reference in copies["references"]
    ]
    lines += [
        draw_rate_line("Exact copies of an earlier row", copies["exact"]),
        draw_rate_line(f"Near-copies of another row ({named})", copies["near"]),
        draw_rate_line("All copies", copies["any"]),
    ]
    crosses = [
        draw_rate_line(f"Rows of {cross['split']} that {cross['other']} has too", cross["rate"])
        for cross in copies["across"]
    ]
    splits = ", ".join(f"{name}: {count_noun(count, 'row')}" for name, count in copies["splits"].items())
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
        f"<details><summary>Near-copies</summary>{quote_examples(copies['examples'])}</details>"
        if copies["examples"]
        else ""
    )
    of_references = "".join(
        f"<details><summary>Copies of {escape(reference['name'])}</summary>"
        f"{quote_examples(reference['examples'])}</details>"
        for reference in copies["references"]
        if reference["examples"]
    )
    heads = ("What", "Rows#n", "Rate (95% interval)#n")
    once = "A row counts once, in the first line that it belongs to."
    table = draw_table(f"{once} {caption}", heads, lines)
    shared = (
        draw_table("What splits share, of the rows of the first split.", heads, crosses) if crosses else ""
    )
    return table + of_references + near + shared + across


def draw_groups(measured: Json | None, nothing: str) -> str:
    """The rate of each group, or `nothing` where no column names groups."""
    if measured is None:
        return f"<p>{escape(nothing)}</p>"
    most = max((group["rate"]["high"] for group in measured["groups"]), default=1.0)
    most = max(most, LEAST_SCALE)
    lines = []
    for group in measured["groups"]:
        by = ", ".join(f"{escape(name)} {count:,}" for name, count in group["gates"].items())
        name = "(none)" if group["name"] is None else escape(group["name"])
        lines.append(
            f'<tr><th scope="row">{name}</th><td class="n">{group["rate"]["rows"]:,}</td>'
            f'<td class="n">{escape(format_rate(group["rate"]))}</td><td>{draw_bar(group["rate"], most)}</td>'
            f'<td class="wide">{by or "–"}</td></tr>'
        )
    if measured["rest"] is not None:
        lines.append(
            draw_rate_line(f"{measured['folded']:,} smaller ones together", measured["rest"], tail=2)
        )
    return draw_table("", ("Name", "Rows#n", "With a defect (95% interval)#n", "", "By gate"), lines)


def draw_drift(drift: Json) -> str:
    """What lies otherwise than the baselines and other rows."""
    parts = [
        f"<p>{escape(baseline['gate'])} compared {count_noun(baseline['compared'], 'row')} with "
        f"{escape(baseline['name'])}{_say_why_not(baseline)}.</p>"
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
        parts.append(draw_table("Findings on the batch or on a slice as a whole.", heads, lines))
    lines = [
        f'<tr><th scope="row">{escape(row["what"])}</th><td class="wide">{escape(_say_spread(row))}</td></tr>'
        for row in drift["spread"]
    ]
    if lines:
        parts.append(
            draw_table(
                "How the data lie beside the other rows.", ("What", "These rows, and the others"), lines
            )
        )
    return "".join(parts)


def _say_why_not(baseline: Json) -> str:
    why = baseline["why_not"]
    return "" if why is None or baseline["compared"] else f": {escape(why)}"


def _say_spread(row: Json) -> str:
    if "moved" in row:
        return "; ".join(
            f"{part['label']} {format_percent(part['batch'])} beside {format_percent(part['other'])}"
            for part in row["moved"]
        )
    return f"median {row['batch']:g} beside {row['other']:g}" if "batch" in row else "–"


def draw_grounding(grounding: Json) -> str:
    """How many rows bring documents, and how many of these could be judged."""
    rate = grounding["with_documents"]
    if not rate["count"]:
        return "<p>No row brings a document that it is grounded in.</p>"
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


def draw_signs(signs: Json) -> str:
    """Habits of machines that write; signs, and no verdict."""
    lines = [
        draw_rate_line("Rows in which a model speaks of itself", signs["self_reference"]),
        draw_rate_line("Rows with a turn that models overuse", signs["phrases"]["rate"]),
        draw_rate_line(
            "Rows whose first line fills a frame that others fill too", signs["templates"]["rate"]
        ),
    ]
    said = "<p>These are signs and no verdict: people write so too, and nothing was turned away for them.</p>"
    table = draw_table("", ("Sign", "Rows#n", "Rate (95% interval)#n"), lines)
    most = [f"“{part['phrase']}” in {count_noun(part['rows'], 'row')}" for part in signs["phrases"]["most"]]
    most += [
        f"frame “{part['frame']}” in {count_noun(part['rows'], 'row')}" for part in signs["templates"]["most"]
    ]
    most += [
        f"opening “{part['opening']} …” in {count_noun(part['rows'], 'row')}" for part in signs["openings"]
    ]
    listed = "".join(f"<li>{escape(line)}</li>" for line in most)
    return (
        said
        + table
        + (f"<details><summary>The commonest</summary><ul>{listed}</ul></details>" if listed else "")
    )
