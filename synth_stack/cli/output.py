"""What the command line prints: results on standard output, as JSON or as tables and lines."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth_stack.errors import UntrustedGate, replace_unprintable

if TYPE_CHECKING:
    from synth_stack.cli.tables import Bars
    from synth_stack.inputs.recipe import Recipe


@contextmanager
def show_progress(quiet: bool) -> "Iterator[Bars]":
    """Bars on standard error, as long as the block lasts."""
    from synth_stack.cli.tables import Bars

    with Bars(quiet=quiet) as bars:
        yield bars


@contextmanager
def explain_failure(as_json: bool) -> "Iterator[None]":
    """Shows the figures of a batch that fails a self-test, before the error does its work."""
    try:
        yield
    except UntrustedGate as exc:
        from synth_stack.report.write import write_report

        if not as_json:
            print_figures(write_report(Path(str(exc.seen))))
        raise


def show(result: Any, as_json: bool) -> None:
    """A result that knows how to show itself: as JSON, or line by line."""
    if as_json:
        print_json(result.to_json())
        return
    for line in result.lines():
        say(line)


def print_figures(figures: Any) -> None:
    """The funnel, and where there are some the reasons and the gates' self-tests."""
    from synth_stack.cli.tables import funnel_table, reasons_table, self_tests_table

    say(funnel_table(figures))
    if figures.reasons:
        say(reasons_table(figures))
    if figures.self_tests:
        say(self_tests_table(figures))


def warn_of_input(read: dict[str, Any] | None) -> None:
    """What of an input is in no field of a row, line by line on standard error."""
    from synth_stack.inputs.notices import read_notices

    for notice in read_notices((read or {}).get("notices", [])):
        sys.stderr.write(f"input   {to_one_line(notice.line())}\n")


def print_prices(prices: Any, currency: str | None = None) -> None:
    """What each gate takes away and costs."""
    from synth_stack.cli.tables import prices_table

    say(prices_table(prices, currency))


def list_prices(prices: Any) -> list[dict[str, Any]]:
    """The prices of gates as plain JSON values."""
    return [asdict(price) for price in prices]


def print_spent(spent: Any) -> None:
    """What a run has cost, and how far it came to its target."""
    from synth_stack.cli.tables import describe_target, spent_table

    say(spent_table(spent))
    if spent.wanted is not None:
        say(describe_target(spent))


def show_budget(recipe: "Recipe", as_json: bool) -> dict[str, int]:
    """The rows by slice that the recipe's report or balance asks for, shown before any is paid for."""
    if recipe.generate.report is None and recipe.generate.balance is None:
        return {}
    from synth_stack.cli.tables import budget_table
    from synth_stack.workflows.prepare import read_budget

    budget = read_budget(recipe)
    if not as_json:
        say(budget_table(budget))
    return {share.slice: share.rows for share in budget}


def show_balance(balance: Sequence[Any]) -> None:
    """Before and after of the slices of a set of images, where a recipe balances one."""
    if balance:
        from synth_stack.cli.tables import balance_table

        say(balance_table(balance))


def print_json(value: Any) -> None:
    """One JSON value, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def say(what: Any) -> None:
    """A line, or something that rich draws; nothing in it is read as markup."""
    from rich.console import Console

    Console(highlight=False, markup=False, soft_wrap=isinstance(what, str)).print(what)


def to_one_line(text: str) -> str:
    """`text` without line breaks and control characters."""
    return " ".join(replace_unprintable(text, mark=" ").split())
