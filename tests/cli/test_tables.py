"""What the command line shows. A row is shown, never interpreted."""

import io
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from synth_stack.cli.asked_prompts import AskedPrompts
from synth_stack.cli.tables import (
    Bars,
    budget_table,
    clean,
    describe_target,
    funnel_table,
    preview_panel,
    reasons_table,
    self_tests_table,
    spent_table,
)
from synth_stack.decisions.figures import Figures, Reason, Stage
from synth_stack.generation.slice_budget import SliceBudget
from synth_stack.runs.self_tests import KindCount, SelfTestBars, measure
from synth_stack.runs.spending import Spent
from synth_stack.workflows.curate import curate
from tests.some_rows import make_tool_row

EMPTY = Figures(0, 0, 0, 0, 0, None, (), (), (), (), (), ())


def show(*shown: RenderableType, colour: bool = False) -> str:
    """What a terminal of 120 columns would get."""
    file = io.StringIO()
    console = Console(
        file=file, width=120, force_terminal=colour, color_system="standard" if colour else None
    )
    console.print(*shown)
    return file.getvalue()


def read_lines(shown: str) -> list[list[str]]:
    """The words of each line of a table, without its frame."""
    return [line.replace("│", " ").split() for line in shown.splitlines()]


def make_figures(*stages: Stage, reasons: tuple[Reason, ...] = ()) -> Figures:
    return Figures(12_345, 12_000, 300, 45, 0, 0.972, stages, reasons, (), (), (), ())


def test_the_funnel_shows_every_stage_in_order_and_what_was_kept() -> None:
    stages = (
        Stage("structure", 12_345, 12_145, 200, 0, 0, 12_345, 200, 0, 12_145, 0.98380),
        Stage("dedup", 12_145, 12_000, 100, 45, 7, 12_145, 100, 45, 12_000, 0.98806),
    )
    words = read_lines(show(funnel_table(make_figures(*stages))))

    assert words[4] == ["generated", "12,345"]
    assert ["structure", "12,345", "0", "200", "0", "12,145", "98.4%"] in words
    assert ["dedup", "12,145", "7", "100", "45", "12,000", "98.8%"] in words
    assert ["accepted", "12,000", "97.2%"] in words


def test_replacements_stand_below_the_rows_that_were_generated() -> None:
    words = read_lines(show(funnel_table(replace(make_figures(), replacements=1_234))))

    assert words[4:6] == [["generated", "12,345"], ["replacements", "1,234"]]


def test_each_gates_self_test_stands_with_the_kinds_past_their_bar() -> None:
    tests = (
        measure(
            "dedup",
            [KindCount("copy", 100, 98), KindCount("template", 20, 3, control=True)],
            SelfTestBars(0.95, max_unfair=0.1),
        ),
        measure("toxicity", [KindCount("insult", 100, 61)], SelfTestBars(0.7)),
        measure("drift", [], SelfTestBars(0.9, off=("length",))),
    )
    words = read_lines(show(self_tests_table(replace(EMPTY, self_tests=tests))))

    assert ["dedup", "100", "98", "20", "3", "UNFAIR"] in words
    assert ["template", "20", "3", "(bar", "0.1)"] in words
    assert ["toxicity", "100", "61", "0", "0", "BLIND"] in words
    assert ["insult", "100", "61", "(bar", "0.7)"] in words
    assert ["drift", "0", "0", "0", "0", "off:", "length"] in words


def test_an_empty_run_has_no_rates() -> None:
    stage = Stage("dedup", 0, 0, 0, 0, 0, 0, 0, 0, 0, None)
    text = show(funnel_table(Figures(0, 0, 0, 0, 0, None, (stage,), (), (), (), (), ())))

    assert "%" not in text
    assert "dedup" in text
    assert "Funnel" in show(funnel_table(EMPTY))
    assert "Reasons" in show(reasons_table(EMPTY))


def test_the_funnel_of_a_judged_batch_adds_up(tmp_path: Path) -> None:
    (tmp_path / "gates.yaml").write_text("version: 1\ngates:\n- use: dedup\n")
    rows = [{"text": "the same seven words in every row"}] * 2 + [
        {"text": "and other words in this one here"}
    ]
    figures = curate(rows, tmp_path / "gates.yaml", tmp_path / "out").figures
    words = read_lines(show(funnel_table(figures)))

    assert ["dedup", "3", "0", "1", "0", "2", "66.7%"] in words
    assert ["accepted", "2", "66.7%"] in words


def test_reasons_are_shown_up_to_a_limit_and_the_folded_ones_as_others() -> None:
    reasons = (
        Reason("dedup", "rejected", "near-copy", 1234),
        Reason(None, "rejected", None, 5, folded=3),
        Reason("toxicity", "held", "slice", 1),
    )
    text = show(reasons_table(make_figures(reasons=reasons), limit=2))

    assert "near-copy" in text
    assert "1,234" in text
    assert "other reasons" in text
    assert "toxicity" not in text


def test_what_looks_like_markup_is_shown_as_it_stands() -> None:
    reasons = (Reason("dedup", "rejected", "[bold red]x[/] [link=http://evil]y[/link]", 1),)

    assert "[bold red]x[/] [link=http://evil]y[/link]" in show(reasons_table(make_figures(reasons=reasons)))
    row = {
        "generator": "magpie",
        "slice": "[blink]a[/]",
        "seed_id": "s1",
        "messages": [{"role": "user", "content": "[/] [red]not red[/red]"}],
    }
    text = show(preview_panel(row, AskedPrompts()), colour=True)
    assert "[/] [red]not red[/red]" in text
    assert "magpie · [blink]a[/] · seed s1" in text


def test_a_row_cannot_move_the_cursor_or_rename_the_window() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\b"
    row = {
        "generator": "foreign",
        "slice": evil,
        "seed_id": None,
        "messages": [{"role": evil, "content": evil}],
        "failure": evil,
        "prompts": [{"column": "instruction", "text": evil}],
    }
    reasons = (Reason("dedup", "rejected", evil, 1),)
    text = show(preview_panel(row, AskedPrompts())) + show(reasons_table(make_figures(reasons=reasons)))

    assert not {c for c in text if not c.isprintable()} - {"\n"}
    assert text.count("�[2J�]0;owned�") >= 5


@given(st.text())
def test_cleaned_text_keeps_its_length_its_lines_and_every_printable_character(text: str) -> None:
    cleaned = clean(text)

    assert len(cleaned) == len(text)
    for before, after in zip(text, cleaned, strict=True):
        assert after == (before if before.isprintable() or before == "\n" else "�")


def test_nothing_is_cleaned_to_nothing() -> None:
    assert clean(None) == clean("") == ""


def test_a_preview_shows_prompts_messages_and_failure_of_each_row() -> None:
    rows: list[dict[str, Any]] = [
        {
            "generator": "magpie",
            "slice": "a/b",
            "seed_id": "s1",
            "prompts": [{"column": "instruction", "text": "Write a question."}],
            "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
            "failure": None,
        },
        {
            "generator": "evol_instruct",
            "slice": None,
            "seed_id": None,
            "messages": [],
            "failure": "empty answer",
        },
    ]
    first, second = (show(preview_panel(row, AskedPrompts())) for row in rows)

    for shown in (
        "magpie · a/b · seed s1",
        "prompt for instruction",
        "Write a question.",
        "user  Why?",
        "So.",
    ):
        assert shown in first
    assert "failed" not in first
    assert "failed  empty answer" in second


def test_bars_go_to_standard_error_and_count_what_was_done_before(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars(quiet=False) as bars:
        advance = bars.begin("dedup", 5, 2)
        advance(3)
        bars.begin("read", 0)(7)
        bars.begin("download, bytes", 9)(9)
    out, err = capsys.readouterr()

    assert out == ""
    assert "dedup" in err
    assert "5/5" in err
    assert "7/?" in err
    assert re.search(r"9/9 .*bytes/s", err)


def test_quiet_bars_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars(quiet=True) as bars:
        bars.begin("dedup", 5)(5)

    assert capsys.readouterr() == ("", "")


def test_bars_that_never_began_leave_no_empty_line_before_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Bars(quiet=False):
        pass

    assert capsys.readouterr() == ("", "")


def test_bars_stop_when_the_work_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with Bars(quiet=False) as bars:
            bars.begin("dedup", 5)(1)
            raise KeyError("inside")

    with pytest.raises(KeyError):
        work()

    assert "1/5" in capsys.readouterr().err


def test_what_was_spent_stands_in_all_and_per_accepted_row() -> None:
    spent = Spent(1000, 400, 80_000, 20_000, 90.0, 1.25, "EUR", rounds=3, wanted=400, reached=True)

    assert read_lines(show(spent_table(spent)))[4:-1] == [
        ["rows", "made", "1,000", "2.5"],
        ["tokens", "in", "80,000", "200"],
        ["tokens", "out", "20,000", "50"],
        ["seconds", "90.0", "0.225"],
        ["EUR", "1.250000", "0.003125"],
    ]
    assert describe_target(spent) == "target  400 of 400 accepted in 3 rounds"


def test_a_run_without_price_clock_or_accepted_rows_leaves_their_places_out() -> None:
    spent = Spent(10, 0, 80, 20, wanted=5, reached=False, limit="max_candidates")

    assert read_lines(show(spent_table(spent)))[4:-1] == [
        ["rows", "made", "10"],
        ["tokens", "in", "80"],
        ["tokens", "out", "20"],
    ]
    assert describe_target(spent) == "target  0 of 5 accepted in 1 round; max_candidates is spent"


def test_a_budget_names_each_slice_with_its_rows_and_cannot_rename_the_window() -> None:
    budget = [SliceBudget("a/b\x1b[2J", 30, Decimal("0.5"), Decimal("0.4"), 1200)]
    shown = show(budget_table(budget))

    assert "1,200" in shown
    assert "0.5" in shown
    assert "\x1b" not in shown


def test_a_preview_shows_what_an_assistant_calls() -> None:
    row = make_tool_row(slice="weather", seed_id="s1")
    shown = show(preview_panel(row, AskedPrompts()))
    assert 'calls weather({"city":"Oslo"})' in shown
    assert "In Bergen it rains tomorrow" in shown


def test_a_preview_shows_every_side_of_a_preference_with_its_rating() -> None:
    said = (("chosen", "4.50", "By Friday."), ("rejected", "1.25", "Some day."), (None, None, "Soon."))
    sides = [
        {"label": label, "rating": rating, "messages": [{"role": "assistant", "content": text}]}
        for label, rating, text in said
    ]
    row = {
        "generator": "best_of_n",
        "slice": "orders",
        "seed_id": "s1",
        "messages": [{"role": "user", "content": "When?"}],
        "alternatives": sides,
    }
    shown = show(preview_panel(row, AskedPrompts()))
    assert "chosen, rated 4.50" in shown
    assert "rejected, rated 1.25" in shown
    assert "another answer" in shown
    assert all(text in shown for text in ("By Friday.", "Some day.", "Soon."))
