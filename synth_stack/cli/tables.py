"""What the command line shows: the funnel, rows, and progress. Rows are hostile and never interpreted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn
from rich.table import Table
from rich.text import Text

from synth_stack.cli.asked_prompts import AskedPrompts
from synth_stack.errors import replace_unprintable
from synth_stack.text.printable import count_noun

COLOURS = {"accepted": "green", "rejected": "red", "held": "yellow"}


class Bars:
    """Progress bars on standard error, with rate and time left; one bar a stage."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Rate(),
            TimeLeftColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
            disable=quiet,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress.tasks:  # one that never began would leave an empty line where there is no terminal
            self._progress.stop()

    def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
        """A new bar; `total` 0 means that the number of rows is not known."""
        self._progress.start()
        task = self._progress.add_task(stage, total=total or None, completed=done)

        def advance(n: int) -> None:
            self._progress.advance(task, n)
            if total == 0:
                self._progress.update(task, description=stage)

        return advance


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        seconds = task.finished_time or task.elapsed
        speed = task.completed / seconds if task.finished and seconds else task.speed
        if not speed:
            return Text("")
        unit = task.description.partition(", ")[2] or "rows"
        return Text(f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{speed:.1f} {unit}/s", style="cyan")


def clean(text: str | None) -> str:
    """`text` without control characters: a row must not move the cursor or rename the window."""
    return replace_unprintable(text or "", keep="\n")


def funnel_table(figures: Any) -> Table:
    """The funnel: for each gate in order, how many rows it looked at, what it said, and how many are left.

    A row that is held is looked at by the later gates, for the sake of its reasons, and is not left.
    """
    table = Table(title="Funnel", title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("stage")
    for name in ("looked at", "abstained", "rejected", "held", "left"):
        table.add_column(name, justify="right")
    table.add_column("kept", justify="right")
    table.add_row("generated", "", "", "", "", f"{figures.generated:,}", "")
    if figures.replacements:
        table.add_row("replacements", "", "", "", "", f"{figures.replacements:,}", "")
    for stage in figures.funnel:
        kept = "" if stage.pass_rate is None else f"{stage.pass_rate:.1%}"
        counts = (stage.looked_at, stage.abstain, stage.rejected, stage.held, stage.passed)
        table.add_row(stage.gate, *(f"{n:,}" for n in counts), kept)
    rate = "" if figures.acceptance_rate is None else f"{figures.acceptance_rate:.1%}"
    table.add_section()
    table.add_row("accepted", "", "", "", "", f"{figures.accepted:,}", rate, style="bold green")
    return table


def reasons_table(figures: Any, limit: int = 12) -> Table:
    """Why rows were rejected or held, the commonest reasons first."""
    table = Table(title="Reasons", title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("gate")
    table.add_column("reason")
    table.add_column("rows", justify="right")
    for reason in figures.reasons[:limit]:
        named = "other reasons" if reason.folded else reason.reason_class or "no class given"
        table.add_row(Text(reason.gate or ""), Text(clean(named)), f"{reason.count:,}")
    return table


def self_tests_table(figures: Any) -> Table:
    """What each gate caught of its canaries and turned away of its controls; kinds past their bar apart."""
    table = _new_table("Self-tests", "gate", "canaries", "caught", "controls", "turned away")
    table.add_column("")
    for test in figures.self_tests:
        counts = (test.planted, test.caught, test.innocent, test.turned_away)
        flags = ["BLIND"] * test.blind + ["UNFAIR"] * test.unfair
        flags += [f"off: {', '.join(test.off)}"] * bool(test.off)
        style = "bold red" if test.failed else None
        table.add_row(
            test.gate, *(f"{count:,}" for count in counts), Text(clean("; ".join(flags))), style=style
        )
        for kind, count in _list_failed_kinds(test):
            table.add_row(f"  {clean(kind)}", *count, "", style=style)
    return table


def _list_failed_kinds(test: Any) -> Iterator[tuple[str, tuple[str, str, str, str]]]:
    for kind in test.canaries:
        if kind.blind:
            yield kind.kind, (f"{kind.planted:,}", f"{kind.caught:,} (bar {kind.bar:g})", "", "")
    for kind in test.controls:
        if kind.unfair:
            yield kind.kind, ("", "", f"{kind.planted:,}", f"{kind.turned_away:,} (bar {kind.bar:g})")


def prices_table(prices: Any, currency: str | None) -> Table:
    """What each gate took away and took itself, and rows (and cost) per accepted row with and without it."""
    table = _new_table(
        "Price of the gates", "gate", "taken away", "seconds", "model calls", "rows per accepted row"
    )
    table.add_column("without it", justify="right")
    if currency is not None:
        for name in (f"{currency} taken away", f"{currency} per accepted row", "without it"):
            table.add_column(name, justify="right")
    for price in prices:
        shown = [f"{price.rejected + price.held:,}", _show_number(price.seconds, ",.1f")]
        shown += [_show_number(price.model_calls, ","), _show_number(price.rows_per_accepted, ",.3g")]
        shown += [_show_number(price.rows_per_accepted_without, ",.3g")]
        if currency is not None:
            costs = (price.cost, price.cost_per_accepted, price.cost_per_accepted_without)
            shown += [_show_number(cost, ",.4g") for cost in costs]
        table.add_row(price.gate, *shown)
    return table


def _show_number(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


def spent_table(spent: Any) -> Table:
    """What a run has spent: in all, and for each accepted row."""
    table = _new_table("Spent", "", "in all", "per accepted row")
    per_row = spent.per_accepted()
    lines = [("rows made", "made", "{:,}"), ("tokens in", "input_tokens", "{:,}")]
    lines += [("tokens out", "output_tokens", "{:,}"), ("seconds", "seconds", "{:,.1f}")]
    lines += [(spent.currency or "", "cost", "{:,.6f}")]
    for title, name, form in lines:
        total, share = getattr(spent, name), per_row[name]
        if total is not None:
            table.add_row(title, form.format(total), "" if share is None else f"{share:,.4g}")
    return table


def describe_target(spent: Any) -> str:
    """How far a run came to its target, and what ended it before."""
    told = f"target  {spent.accepted:,} of {spent.wanted:,} accepted in {count_noun(spent.rounds, 'round')}"
    return told if spent.reached else f"{told}; {spent.limit} is spent"


def budget_table(budget: Iterable[Any]) -> Table:
    """The rows that a report or a balance gives each slice, and why."""
    table = _new_table("Budget", "slice", "items", "score", "deficit", "rows")
    for share in budget:
        numbers = (f"{share.n:,}", f"{share.score}", f"{share.deficit}", f"{share.rows:,}")
        table.add_row(Text(clean(share.slice)), *numbers)
    return table


def balance_table(balance: Iterable[Any]) -> Table:
    """Before and after of the slices of a set of images."""
    table = _new_table("Balance", "slice", "before", "planned", "accepted", "after")
    for each in balance:
        numbers = (f"{each.before:,}", f"{each.planned:,}", f"{each.accepted:,}", f"{each.after:,}")
        table.add_row(Text(clean(each.slice)), *numbers)
    return table


def preview_panel(row: Mapping[str, Any], asked: AskedPrompts) -> Panel:
    """A row: where it comes from, what was asked for it, its messages, the sides it prefers, its failure.

    Prompts of the rows before, which `asked` has told, are not told again.
    """
    body = Text()
    for heading, text in asked.tell(row.get("prompts", [])):
        body.append(f"{clean(heading)}\n", style="bold magenta")
        body.append(f"{clean(text)}\n\n" if text else "\n", style="dim")
    _append_messages(body, row["messages"])
    for side in row.get("alternatives") or ():
        rating = "" if side.get("rating") is None else f", rated {clean(str(side['rating']))}"
        body.append(f"{clean(side['label'] or 'another answer')}{rating}\n", style="bold green")
        _append_messages(body, side["messages"])
    if row.get("failure"):
        body.append(f"failed  {clean(row['failure'])}", style="red")
    title = Text(f"{row['generator']} · {clean(row.get('slice'))} · seed {clean(row.get('seed_id'))}")
    return Panel(body, title=title, title_align="left")


def _append_messages(body: Text, messages: Iterable[Mapping[str, Any]]) -> None:
    for message in messages:
        body.append(f"{clean(message['role'])}  ", style="bold cyan")
        calls = [
            f"calls {clean(call['name'])}({clean(call['arguments'])})"
            for call in message.get("tool_calls") or ()
        ]
        said = [clean(message["content"])] if message["content"] is not None or not calls else []
        body.append("\n".join([*said, *calls]) + "\n")


def replay_tables(replayed: Any) -> Iterable[Table | Text]:
    """What a replay says: decisions and gates before and after, changed rows, yield curves, caveats."""
    yield _decisions_table(replayed)
    yield _gates_table(replayed)
    if len(replayed.changed):
        yield _changed_table(replayed.changed)
    for curve in replayed.curves:
        yield _curve_table(curve)
    for caveat in replayed.caveats:
        yield Text(f"note    {clean(caveat)}")


def _new_table(title: str, *names: str) -> Table:
    """A table whose first column is words; the others are numbers."""
    table = Table(title=Text(title), title_justify="left", header_style="bold", pad_edge=False)
    for number, name in enumerate(names):
        table.add_column(name, justify="right" if number else "left")
    return table


def _decisions_table(replayed: Any) -> Table:
    table = _new_table("Decisions", "decision", "before", "after", "change")
    for decision, after in replayed.after.items():
        before = replayed.before.get(decision, 0)
        style = COLOURS.get(decision)
        table.add_row(decision, f"{before:,}", f"{after:,}", f"{after - before:+,}", style=style)
    return table


def _gates_table(replayed: Any) -> Table:
    table = _new_table("Gates", "gate", "rejected", "held", "not scored", "canaries")
    table.add_column("parameter")
    for gate in replayed.gates:
        found, before = gate.self_test, gate.self_test_before
        table.add_row(
            gate.gate,
            _show_move(gate.before["rejected"], gate.after["rejected"]),
            _show_move(gate.before["held"], gate.after["held"]),
            f"{gate.after['undecided']:,}",
            f"{_show_move(before.caught, found.caught)} of {found.planted}" if found.planted else "",
            Text(clean("\n".join(f"{name}: {old} -> {new}" for name, old, new in gate.changes))),
            style="bold red" if found.failed else None,
        )
    return table


def _show_move(before: int, after: int) -> str:
    return f"{after:,}" if before == after else f"{before:,} -> {after:,}"


def _changed_table(changed: Any, limit: int = 10) -> Table:
    shown = "" if len(changed) <= limit else f", the first {limit} (--json has all)"
    table = _new_table(f"{len(changed):,} changed rows{shown}", "row")
    for name in ("before", "after", "gate", "reason"):
        table.add_column(name)
    for row in changed.slice(0, limit).to_pylist():
        side = "" if row["gate"] else "_before"
        told = [row["row_id"], row["before"], row["after"], row[f"gate{side}"], row[f"reason{side}"]]
        table.add_row(*(Text(clean(cell)) for cell in told), style=COLOURS.get(row["after"]))
    return table


def _curve_table(curve: Any, limit: int = 10, bar_chars: int = 24) -> Table:
    """Some points of a curve and the one that stands: a full block is accepted, a light one not scored."""
    names = [
        f"rejects score {curve.rejects}",
        "accepted",
        "not scored",
        *(["canaries caught"] if curve.planted else []),
    ]
    table = _new_table(f"Yield of {curve.gate} over {curve.parameter}", *names)
    table.add_column("")
    points = curve.points
    wanted = {round(place * (len(points) - 1) / max(limit - 1, 1)) for place in range(limit)}
    most = max((p.accepted + p.undecided for p in points), default=0) or 1
    for place, point in enumerate(points):
        stands = point.threshold == curve.threshold
        if place in wanted or stands:
            known = round(bar_chars * point.accepted / most)
            open_ = round(bar_chars * (point.accepted + point.undecided) / most) - known
            counts = [
                f"{point.accepted:,}",
                f"{point.undecided:,}",
                *([f"{point.caught:,}"] if curve.planted else []),
            ]
            bar = Text("\N{FULL BLOCK}" * known + "\N{LIGHT SHADE}" * open_)
            table.add_row(f"{point.threshold:.6g}", *counts, bar, style="bold" if stands else None)
    return table
