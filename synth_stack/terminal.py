"""What the command line shows: the funnel, rows, and progress. Rows are hostile and never interpreted."""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn
from rich.table import Table
from rich.text import Text

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
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
        """A new bar; `total` 0 means that nobody knows how many rows there are."""
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
        return Text(f"{speed:,.0f} rows/s" if speed >= 10 else f"{speed:.1f} rows/s", style="cyan")


def clean(text: str | None) -> str:
    """`text` without control characters: a row must not move the cursor or rename the window."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text or "")


def funnel_table(figures: Any) -> Table:
    """The funnel: for each gate in order, how many rows it saw, what it said, and how many went on."""
    table = Table(title="Funnel", title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("stage")
    for name in ("in", "rejected", "held", "abstained", "on"):
        table.add_column(name, justify="right")
    table.add_column("kept", justify="right")
    table.add_row("generated", "", "", "", "", f"{figures.generated:,}", "")
    for stage in figures.funnel:
        kept = "" if stage.pass_rate is None else f"{stage.pass_rate:.1%}"
        counts = (stage.entered, stage.rejected, stage.held, stage.abstain, stage.passed)
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
        named = reason.reason if reason.reason is not None else "other reasons"
        table.add_row(Text(reason.gate or ""), Text(clean(named)), f"{reason.count:,}")
    return table


def preview_panels(rows: Iterable[Mapping[str, Any]]) -> Iterable[Panel]:
    """One panel a row: where it comes from, the prompt that was asked, the messages, the failure."""
    for row in rows:
        body = Text()
        for prompt in row.get("prompts", []):
            body.append(f"prompt for {prompt['column']}\n", style="bold magenta")
            body.append(clean(prompt["text"]) + "\n\n", style="dim")
        for message in row["messages"]:
            body.append(f"{clean(message['role'])}  ", style="bold cyan")
            body.append(clean(message["content"]) + "\n")
        if row.get("failure"):
            body.append(f"failed  {clean(row['failure'])}", style="red")
        title = Text(f"{row['generator']} · {clean(row.get('slice'))} · seed {clean(row.get('seed_id'))}")
        yield Panel(body, title=title, title_align="left")
