"""A review in tables and sentences for a terminal."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from synth_stack.cli.output import to_one_line
from synth_stack.review.cost import PlanSummary
from synth_stack.review.outgoing import Outgoing
from synth_stack.review.plan_file import PlanSettings
from synth_stack.text.printable import count_noun
from synth_stack.workflows.review import Reviewed

_MOST_SLICES = 20
_PURPOSES = {
    "held": "rows that the gates hold",
    "sample": "rows that decide lots",
    "estimate": "rows that measure what ships",
    "gold": "gold rows",
    "canary": "canaries",
    "screen": "rows of failed lots",
}


def plan_lines(settings: PlanSettings, summary: PlanSummary, clusters: str | None) -> Iterator[Any]:
    """What a plan promises and costs."""
    if summary.lots:
        whole = f"; read whole, being so small: {summary.whole:,}" if summary.whole else ""
        by = settings.by.replace(",", " x ") or "nothing"
        rows, lots = count_noun(summary.rows, "accepted row"), count_noun(summary.lots, "lot")
        yield f"{rows} in {lots} by {by}{whole}"
        if clusters:
            yield f"clusters: {to_one_line(clusters)}"
        yield _describe_promise(settings, summary)
        yield curve_table(summary)
    yield cost_table(summary)


def curve_table(summary: PlanSummary) -> Table:
    """The operating curve of the lot of median size."""
    title = (
        f"a lot of {count_noun(summary.median_rows, 'row')}: {summary.median_n:,} of them read, "
        f"and it passes with {f'{summary.median_c:,} defects or fewer' if summary.median_c else 'no defect'}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("if so many rows are defective", justify="right")
    table.add_column("the lot passes", justify="right")
    for point in summary.curve:
        table.add_row(f"{point.defects:,} ({point.share:.2%})", f"{point.passes:.1%} of the time")
    return table


def cost_table(summary: PlanSummary) -> Table:
    """What is read, how often, and how long that takes."""
    table = Table(title="what it costs", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for purpose, name in _PURPOSES.items():
        if summary.reads.get(purpose):
            table.add_row(name, f"{summary.reads[purpose]:,}")
    table.add_row("reviews (some rows are read twice)", f"{summary.reviews:,}")
    if round(summary.expected_reviews) != summary.reviews:
        table.add_row("reviews on average, if lots are good", f"{summary.expected_reviews:,.0f}")
    table.add_row("time of all together", _format_hours(summary.hours))
    table.add_row(f"time of each of {summary.reviewers}", _format_hours(summary.hours_each))
    return table


def reviewed_lines(done: Reviewed) -> Iterator[Any]:
    """What the answers decided so far."""
    outcome = done.outcome
    open_ = outcome.planned - outcome.settled
    yield (
        f"{outcome.settled:,} of {count_noun(outcome.planned, 'row')} settled; {open_:,} open, "
        f"of these waiting for an adjudicator: {outcome.disputed:,}"
    )
    if outcome.reliability.shared:
        yield outcome.reliability.describe()
    counts = outcome.count_lots()
    if counts:
        yield "lots: " + ", ".join(f"{n:,} {status}" for status, n in sorted(counts.items()))
    if done.added:
        yield f"to be read now: {count_noun(done.added, 'row')} of failed lots"
    if outcome.overall is not None and outcome.overall.high is not None:
        yield outgoing_table(outcome.outgoing)
    figures = done.figures.counts()
    yield f"accepted {figures['accepted']:,}, rejected {figures['rejected']:,}, held {figures['held']:,}"
    yield f"report  {done.folder / 'report.html'}"


def outgoing_table(outgoing: tuple[Outgoing, ...]) -> Table:
    """The estimated share of defects in what ships, of all and by slice."""
    table = Table(title="defects in what ships", title_justify="left")
    table.add_column("slice")
    for column in ("ships", "read", "drawn to measure", "defects", "estimate", "95% upper bound"):
        table.add_column(column, justify="right")
    for one in outgoing[: _MOST_SLICES + 1]:
        name = "all" if one is outgoing[0] else to_one_line(one.slice or "none")
        counts = (one.rows, one.read, one.sampled, one.defects)
        shares = ("–" if share is None else f"{share:.2%}" for share in (one.share, one.high))
        table.add_row(name, *(f"{count:,}" for count in counts), *shares)
    if len(outgoing) > _MOST_SLICES + 1:
        table.add_row(f"and {len(outgoing) - _MOST_SLICES - 1:,} more", *[""] * 6)
    return table


def _describe_promise(settings: PlanSettings, summary: PlanSummary) -> str:
    asked = (
        f"a lot with {settings.ltpd:.2%} defects or more passes at most {settings.beta:.0%} of the time, "
        f"and one with {settings.aql:.2%} or fewer fails at most {settings.alpha:.0%}"
    )
    if summary.kept < summary.lots:
        return (
            f"{summary.lots - summary.kept:,} of {count_noun(summary.lots, 'lot')} cannot keep what was "
            f"asked ({asked}): the worst passes {summary.worst_beta:.0%} of the time with "
            f"{settings.ltpd:.2%} defects, and fails {summary.worst_alpha:.0%} with {settings.aql:.2%}. "
            "A flat share reads too little of small lots and more than is needed of large ones."
        )
    if settings.aql * summary.median_rows < 1:
        asked += (
            f"; of {summary.median_rows:,} rows {settings.aql:.2%} are less than one, so only a lot "
            "without any defect counts as good there"
        )
    return f"risk {settings.tier}: {asked}"


def _format_hours(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
