"""The command that audits: a data set, a plan carried out, two audits compared."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synth_stack.cli.main import app
from synth_stack.errors import InputError
from tests.audited import HOSTILE, good_row, write_data, write_gates


def call(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_data_set_is_audited_verified_mended_and_compared(tmp_path: Path) -> None:
    data, gates, out = write_data(tmp_path), write_gates(tmp_path), tmp_path / "audit"
    shown = call(
        "audit", data, "--gates", gates, "--against", f"exam={tmp_path / 'exam.jsonl'}", "--out", out, "-q"
    )
    assert shown.index("Not checked") < shown.index("12 of 100 rows have a defect")
    assert "exam exam" in shown
    assert "test rows in train too" in shown
    assert "figures computed again" in call("verify", out)
    assert json.loads(call("verify", out, "--json"))["verified"] is True
    assert "88 accepted rows" in call("audit", "--apply", out, "--out", tmp_path / "pack")
    assert "accepted rows" in call("verify", tmp_path / "pack")
    told = json.loads(
        call("audit", tmp_path / "pack", "--gates", gates, "--out", tmp_path / "after", "--json")
    )
    assert told["overall"]["defects"]["count"] == 0
    assert "clear" in call("audit", "--compare", out, tmp_path / "after")
    found = json.loads(call("audit", "--compare", out, tmp_path / "after", "--json"))
    assert found["differences"][0]["what"] == "all defects"
    assert HOSTILE in json.dumps(found, ensure_ascii=False).replace('\\"', '"') or found["caveats"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["data.csv"],
        ["data.csv", "--gates", "g.yaml"],
        ["data.csv", "--apply", "a"],
        ["--apply", "a"],
        ["--compare", "a", "b", "--out", "c"],
    ],
)
def test_a_call_that_does_not_say_what_to_do_is_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["audit", *words]).exit_code == 2


def test_where_nothing_is_to_mend_it_says_so_and_names_what_was_not_checked(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("prompt,answer\nWhich lamp?,The green one by the door.\n")
    (tmp_path / "gates.yaml").write_text(
        "version: 1\ngates: [{use: contamination, canaries: 0, embedding: null, behaviour: null}]\n"
    )
    shown = call("audit", tmp_path / "mine.csv", "--gates", tmp_path / "gates.yaml", "--out", tmp_path / "a")
    assert "Nothing to mend that these gates see." in shown
    assert "No exam was named, so it abstained on the one row that it saw." in " ".join(
        shown.replace("│", " ").split()
    )
    assert "what was not checked" in shown
    assert "--apply" not in shown


def test_a_table_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes("prompt;answer\nGröße?;Die größte.\n".encode("cp1252"))
    (tmp_path / "gates.yaml").write_text("version: 1\ngates: [{use: structure, canaries: 0}]\n")
    words = ["audit", tmp_path / "mine.csv", "--gates", tmp_path / "gates.yaml", "--out", tmp_path / "a"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, InputError)
    assert "CSV UTF-8" in str(result.exception)
    assert not (tmp_path / "a" / "audit.json").exists()


def test_slices_that_lose_much_are_named_with_what_to_run(tmp_path: Path) -> None:
    rows = [good_row(number) for number in range(20)]
    for row in rows[1:9:2]:
        row["output"] = ""
    (tmp_path / "mine.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    out = tmp_path / "a"
    shown = " ".join(
        call("audit", tmp_path / "mine.jsonl", "--gates", write_gates(tmp_path), "--out", out).split()
    )
    assert "Make anew, since the mix has changed" in shown
    assert "4 of 10" in shown
    assert "commands.sh" in shown
    said = (out / "remedy" / "commands.sh").read_text(encoding="utf-8")
    assert "report: {path: regenerate.jsonl, goal: 1.0}" in said
    assert "synth-stack run recipe.yaml" in said
