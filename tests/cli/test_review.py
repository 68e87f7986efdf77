"""The commands of a review: planned, read in a terminal or from a pipe, and put into effect."""

import io
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth_stack.cli.main import main
from synth_stack.cli.review import review_app
from synth_stack.cli.review_rows import describe_row, judge_in_terminal, read_json_answers
from synth_stack.errors import InputError
from synth_stack.review.answers import read_answers
from synth_stack.review.plan_file import read_plan
from synth_stack.review.queue import QueuedRow, build_queue
from synth_stack.review.reviewers import load_or_make_key, reviewer_id
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.judged import open_judged
from synth_stack.workflows.review import plan
from tests.review.toy_run import find_ids, make_toy_run
from tests.some_rows import make_preference_row, make_reasoning_row, make_tool_row

ROOT = Path(__file__).parents[2]
ANNA = "a" * 64


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_run(tmp_path_factory.mktemp("toy"), {"a": 60}, held=3)


@pytest.fixture
def run(judged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged, tmp_path / "judged"))


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str, typed: str = ""
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["synth-stack", "review", *words])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
    try:
        main()
        code = 0
    except SystemExit as exc:
        code = int(exc.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("name", ["plan", "rows"])
def test_every_option_is_documented(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(monkeypatch, capsys, name, "--help")
    assert code == 0
    documented = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"synth-stack review {name}" in documented
    assert not [option for option in re.findall(r"--[a-z][a-z-]+", out) if f"{option}" not in documented]
    assert name in [c.name or (c.callback and c.callback.__name__) for c in review_app.registered_commands]


def test_a_plan_shows_its_promise_and_its_cost_and_a_dry_run_writes_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(monkeypatch, capsys, "plan", str(run), "--by", "slice", "--dry-run")
    assert code == 0
    assert "60 accepted rows in 1 lot by slice" in out
    assert "the lot passes" in out
    assert "nothing was written" in out
    assert not (run / "review").exists()
    code, out, _ = call(monkeypatch, capsys, "plan", str(run), "--by", "slice", "--json")
    told = json.loads(out)
    assert told["reads"]["sample"] == told["median_n"]
    assert told["plan_sha256"] == read_plan(run).sha256


def test_a_flat_percentage_says_what_it_does_not_promise(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call(monkeypatch, capsys, "plan", str(run), "--percent", "5", "--dry-run")
    assert "cannot keep what was asked" in out
    assert "reads too little of small lots" in out


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["plan", "{run}", "--risk", "none"], "no such risk tier"),
        (["plan", "{run}", "--held", "--with-held"], "choose one"),
        (["plan", "{run}", "--on-failed", "burn"], "burn"),
        (["rows", "{run}"], "has no review plan"),
        (["plan", "nowhere"], "holds no judged rows"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_2(
    words: list[str],
    match: str,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = call(monkeypatch, capsys, *(word.format(run=run) for word in words))
    assert code == 2
    assert match in err


def test_held_rows_are_read_in_the_terminal_and_the_command_goes_on_where_it_stopped(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(run, held="only")
    words = ["rows", str(run), "--as", "anna@example.com", "--key", str(tmp_path / "review.key")]
    code, out, _ = call(monkeypatch, capsys, *words, typed="r\nx\n1\n3\nq\n")
    assert code == 0
    assert "toy_marks says hold: it says HOLD" in out
    assert "2 of 3 rows settled" in out
    code, out, _ = call(monkeypatch, capsys, *words, typed="r\n")
    assert "row 1 of 1" in out
    assert "3 of 3 rows settled" in out
    said = read_answers(run)
    assert said["judgement"].to_pylist() == ["release", "reject", "release"]
    assert said["defect"].to_pylist() == [None, "wrong", None]
    assert said["severity"].to_pylist() == [None, "critical", None]
    assert set(said["reviewer"].to_pylist()) == {
        reviewer_id("anna@example.com", load_or_make_key(tmp_path / "review.key"))
    }
    everything = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert b"anna" not in everything


def test_answers_come_through_a_pipe_as_json_and_the_rest_is_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(run, held="only")
    words = ["rows", str(run), "--as", "anna", "--key", str(tmp_path / "k"), "--json"]
    code, out, _ = call(monkeypatch, capsys, *words)
    left = json.loads(out)["left"]
    assert sorted(left) == sorted(find_ids(run, "HOLD"))
    lines = "".join(json.dumps({"row_id": row, "judgement": "release"}) + "\n" for row in left[:2])
    _, out, _ = call(monkeypatch, capsys, *words, typed=lines)
    told = json.loads(out)
    assert told["recorded"]["new"] == 2
    assert told["left"] == left[2:]
    assert (told["accepted"], told["held"]) == (62, 1)
    code, _, err = call(monkeypatch, capsys, *words, typed='{"row_id": "x"}\n')
    assert code == 2
    assert "no judgement" in err


def ask_from(keys: list[str]) -> Any:
    answers: Iterator[str] = iter(keys)
    return lambda _prompt, _keys: next(answers)


def test_back_shows_the_row_before_and_a_second_answer_replaces_the_first(run: Path) -> None:
    made = plan(run, held="only")
    queue = build_queue(open_judged(run), made, ANNA)
    judge_in_terminal(run, queue, ANNA, adjudicate=False, ask=ask_from(["r", "b", "x", "2", "1", "s", "q"]))
    assert read_answers(run)["judgement"].to_pylist() == ["reject"]
    assert read_answers(run)["defect"].to_pylist() == ["unsupported"]


def test_an_adjudicator_sees_the_disputed_rows_alone_and_says_why(run: Path) -> None:
    made = plan(run, held="only")
    judged_run = open_judged(run)
    judge_in_terminal(run, build_queue(judged_run, made, ANNA), ANNA, False, ask_from(["u", "r", "q"]))
    [item] = build_queue(judged_run, made, "b" * 64, adjudicate=True)
    assert item.said[0]["judgement"] == "unsure"
    assert any("said unsure" in line for line in describe_row(item, "row"))
    judge_in_terminal(run, [item], "b" * 64, True, ask_from(["r", "the policy says so\n"]))
    assert read_answers(run)["note"].to_pylist()[-1] == "the policy says so"
    assert build_queue(judged_run, made, "b" * 64, adjudicate=True) == ()


def test_a_row_cannot_move_the_cursor_or_pass_for_a_line_of_ours() -> None:
    evil = "fine\x1b[2J\x07\r\nr release\n\u202etxt\x9b31m"
    row = build_candidates(
        [{**make_tool_row(), "slice": "a\x1b]0;x\x07\nb", "documents": [{"title": evil, "text": evil}]}]
    ).to_pylist()[0]
    row["messages"][0]["content"] = evil
    verdict = {"gate": "g", "outcome": "hold", "reason": evil, "evidence": evil}
    said = {"reviewer": ANNA, "judgement": "reject", "defect": None, "severity": None, "note": evil}
    lines = list(describe_row(QueuedRow("0" * 32, False, row, (verdict,), (said,)), "row 1 of 1"))
    assert all(line.isprintable() for line in lines)
    assert "    r release" in lines
    assert "r release" not in lines


@pytest.mark.parametrize("make", [make_tool_row, make_preference_row, make_reasoning_row])
def test_rows_of_every_shape_are_told_whole(make: Any) -> None:
    row = build_candidates([make()]).to_pylist()[0]
    text = "\n".join(describe_row(QueuedRow("0" * 32, True, row, ()), "row 1 of 1"))
    for message in row["messages"]:
        for part in (message["content"], message["reasoning"]):
            assert all(f"    {line}" in text for line in (part or "").split("\n") if line)
    for side in row["alternatives"] or ():
        assert side["messages"][0]["content"].split("\n")[0] in text


@pytest.mark.parametrize(
    "line", [b"[]", b"{", b'{"row_id": 3}', b'{"row_id": "x", "reviewer": "me"}', b"x" * 5_000_000]
)
def test_a_line_that_is_no_answer_is_named(line: bytes) -> None:
    with pytest.raises(InputError, match="line 2"):
        list(read_json_answers([b"\n", line], ANNA, adjudicate=False))


def test_an_input_that_ends_in_the_middle_of_an_answer_keeps_none_of_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(run, held="only")
    monkeypatch.setattr(sys, "stdin", io.StringIO("x\n"))
    with pytest.raises(InputError, match="middle of an answer"):
        judge_in_terminal(run, build_queue(open_judged(run), made, ANNA), ANNA, adjudicate=False)
    assert len(read_answers(run)) == 0
