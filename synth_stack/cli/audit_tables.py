"""What the command line shows of an audit, and of two side by side; names are hostile, never read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from synth_stack.cli.tables import clean
from synth_stack.report.audit_pieces import format_percent, format_rate
from synth_stack.text.printable import count_noun

SHOWN = 12


def audit_tables(audit: Mapping[str, Any]) -> Iterable[Table | Text]:
    """What was not checked, then the rates by gate, then the plan."""
    gaps = _start("Not checked", "what", "why")
    for gap in audit["not_checked"]:
        gaps.add_row(Text(clean(gap["what"])), Text(clean(gap["why"])))
    yield gaps
    if audit["dataset"]["columns"]:
        read = [f"{clean(c['column'])} as {c['field']}" for c in audit["dataset"]["columns"]]
        others = f", and {len(read) - SHOWN} more on the page" if len(read) > SHOWN else ""
        yield Text(f"read    {', '.join(read[:SHOWN])}{others}")
    defects = audit["overall"]["defects"]
    have = "has" if defects["count"] == 1 else "have"
    rows = count_noun(defects["rows"], "row")
    yield Text(f"{defects['count']:,} of {rows} {have} a defect: {format_rate(defects)}")
    corrected = audit["overall"]["corrected"]
    if corrected is not None:
        yield Text(f"corrected by labels: {format_rate(corrected)}")
    yield _tabulate_rates(audit)
    if not audit["plan"]["steps"]:
        yield Text("Nothing to mend that these gates see.")
        return
    plan = _start("Plan, the gravest first", "do", "why", "rows", "rows left", "known defects left")
    for step in audit["plan"]["steps"][:SHOWN]:
        left = format_rate(step["defects_after"])
        why = Text(clean(step["reason_class"] or step["gate"]))
        plan.add_row(step["action"], why, f"{step['rows']:,}", f"{step['size_after']:,}", left)
    more = len(audit["plan"]["steps"]) - SHOWN
    if more > 0:
        plan.add_row("", f"{more} more on the page", "", "", "")
    yield plan
    short = audit["plan"]["regenerate"]
    if short:
        yield _start_anew(short)


def _tabulate_rates(audit: Mapping[str, Any]) -> Table:
    """What each gate turned away, what of each exam is in the rows, and what splits share."""
    rates = _start("Defects", "gate", "judged", "turned away", "rate (95% interval)")
    for gate in audit["gates"]:
        rate = gate["rate"]
        failed = gate["self_test"] and gate["self_test"]["failed"]
        name = f"{clean(gate['gate'])} (self-test FAILED)" if failed else clean(gate["gate"])
        rates.add_row(Text(name), f"{rate['rows']:,}", f"{rate['count']:,}", format_rate(rate))
    for exam in audit["exams"]:
        of_exam = Text(f"  exam {clean(exam['eval_set'])}")
        rates.add_row(
            of_exam, f"{exam['rate']['rows']:,}", f"{exam['rate']['count']:,}", format_rate(exam["rate"])
        )
    for reference in audit["copies"]["references"]:
        rate = reference["rate"]
        copied = Text(f"  copies of {clean(reference['name'])}")
        rates.add_row(copied, f"{rate['rows']:,}", f"{rate['count']:,}", format_rate(rate))
    for cross in audit["copies"]["across"]:
        shared = Text(f"{cross['split']} rows in {cross['other']} too")
        rate = cross["rate"]
        rates.add_row(shared, f"{rate['rows']:,}", f"{rate['count']:,}", format_rate(rate))
    return rates


def _start_anew(short: Sequence[Mapping[str, Any]]) -> Table:
    """The slices that lose so much that their rows are to be made again."""
    anew = _start("Make anew, since the mix has changed", "slice", "rows to make", "it loses")
    for each in short[:SHOWN]:
        name = Text(clean(each["group"]))
        anew.add_row(name, f"{each['make']:,}", f"{each['lost']:,} of {each['rows']:,}")
    if len(short) > SHOWN:
        anew.add_row(f"{len(short) - SHOWN} more on the page", "", "")
    return anew


def comparison_table(comparison: Mapping[str, Any]) -> Table:
    """Each rate in two audits, and the difference in points with its interval; clear ones are marked."""
    first, second = comparison["audits"]
    table = _start("Differences", "what", clean(first), clean(second), "change in points (95%)", "")
    for found in comparison["differences"]:
        change = f"{100 * found['change']:+.2f} ({100 * found['low']:+.2f} to {100 * found['high']:+.2f})"
        shares = [format_percent(rate["count"] / rate["rows"]) for rate in (found["first"], found["second"])]
        table.add_row(Text(clean(found["what"])), *shares, change, "clear" if found["clear"] else "")
    return table


def _start(title: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(Text(name), overflow="fold")
    return table
