"""The command line: what it prints, where, and the exit code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from synth_stack.cli.main import app
from tests.packs.shaped_pack import build_shaped_pack
from tests.recipes import call, read_tree, write_jsonl, write_recipe, write_yaml
from tests.some_rows import make_preference_row, make_reasoning_row, make_tool_row

ROOT = Path(__file__).parents[2]
COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]


def test_the_commands_are_those_that_exist() -> None:
    assert COMMANDS == [
        "init", "schema", "check", "completion", "run", "preview", "generate", "curate", "replay", "index", "audit", "emit", "pack", "sign", "export", "verify", "prove", "trace", "revoke", "push", "pull", "ui", "report", "doctor",
    ]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented_and_takes_json(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(monkeypatch, capsys, command, "--help")

    assert code == 0
    assert "--json" in out
    options = set(re.findall(r"--[a-z][a-z-]+", out)) - {"--help"}
    documented = (ROOT / "docs" / "cli.md").read_text()
    assert f"synth-stack {command}" in documented
    assert not [option for option in options if option not in documented]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "recipe.yaml", "--out", "out"],
        ["preview", "recipe.yaml"],
        ["generate", "recipe.yaml", "--out", "out"],
        ["curate", "seeds.jsonl", "--gates", "gates.yaml", "--out", "out"],
        ["replay", "run", "--gates", "gates.yaml"],
        ["index", "pack", "--gates", "gates.yaml", "--out", "out"],
    ],
    ids=lambda words: words[0],
)
def test_an_extension_is_loaded_from_the_working_folder_before_anything_is_made(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recipe(tmp_path)
    monkeypatch.chdir(tmp_path)
    for number, text in enumerate(["raise RuntimeError('it was run')", "import sys; sys.exit(0)"]):
        (tmp_path / f"more{number}.py").write_text(text)
    (tmp_path / "fine.py").write_text("print('not a result')\n")
    wrong = [("gone.py", "is not a file"), ("more0.py", "it was run"), ("more1.py", "ends the program")]
    for file, says in wrong:
        code, out, err = call(monkeypatch, capsys, *words, "--load", "fine.py", "--load", file)
        assert (code, out) == (2, "")
        assert err.startswith(("error: load: ", "not a result\nerror: load: "))
        assert says in err
    assert not (tmp_path / "out").exists()


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['synth-stack', '--help']\n"
        "from synth_stack.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'polars', 'pyarrow', 'pydantic', 'numpy', 'distilabel', 'datasets', 'httpx'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_a_run_prints_its_funnel_on_standard_output_and_progress_on_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(monkeypatch, capsys, "run", write_recipe(tmp_path), "--out", tmp_path / "run")

    assert code == 0
    assert "Funnel" in out
    assert "synth-stack verify" in out
    assert "generate" in err
    code, out, _ = call(monkeypatch, capsys, "verify", tmp_path / "run" / "pack")
    assert code == 0
    assert "accepted rows" in out


def test_json_is_one_value_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path)
    run = tmp_path / "run"
    code, out, err = call(monkeypatch, capsys, "run", recipe, "--out", run, "--json")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert result["generated"] == 40 == result["accepted"] + result["rejected"] + result["held"]

    row_id = pl.read_parquet(run / "decisions.parquet")["row_id"][0]
    commands: list[list[str | Path]] = [
        ["verify", run / "pack", "--json"],
        ["verify", run / "pack", "--row", row_id, "--json"],
        ["trace", run, row_id, "--json"],
        ["trace", run / "pack", row_id, "--json"],
        ["report", run, "--json"],
        ["preview", recipe, "-n", "3", "--json"],
        ["doctor", "--json"],
    ]
    for arguments in commands:
        code, out, err = call(monkeypatch, capsys, *arguments)
        assert (code, err) == (0, ""), arguments
        assert json.loads(out)


def test_a_preview_shows_prompts_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = read_tree(tmp_path)

    code, out, _ = call(monkeypatch, capsys, "preview", recipe, "-n", "4")

    assert code == 0
    assert out.count("prompt for instruction") == 4
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("row ")] == [
        ["row", str(k)] for k in range(1, 5)
    ]
    assert "full run about " in out
    assert "[system]" in out
    assert read_tree(tmp_path) == before


def test_bash_completes_commands_options_and_those_of_groups(tmp_path: Path) -> None:
    program = tmp_path / "synth-stack"
    call_main = 'import sys; sys.argv[0]="synth-stack"; from synth_stack.cli.main import main; main()'
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{call_main}' \"$@\"\n")
    program.chmod(0o755)
    script = """
        source <(synth-stack completion bash)
        complete -p synth-stack
        try() { COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _synth_stack_completion synth-stack; echo "${COMPREPLY[*]}"; }
        try synth-stack cu
        try synth-stack curate --en
        try synth-stack review pl
    """
    paths = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **paths}
    )
    files, *found = done.stdout.splitlines()
    assert "-o default" in files  # where nothing of ours fits, bash completes paths
    assert found == ["curate", "--engine --engine-option", "plan"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_asks_the_program_by_its_name(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(monkeypatch, capsys, "completion", shell)
    assert (code, err) == (0, "")
    assert f"_SYNTH_STACK_COMPLETE=complete_{shell}" in out


def test_another_shell_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(monkeypatch, capsys, "completion", "tcsh")
    assert (code, err.count("bash, zsh, fish")) == (2, 1)


def test_generate_then_curate_then_pack_is_the_same_line_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path)
    run = tmp_path / "steps"
    assert call(monkeypatch, capsys, "generate", recipe, "--out", run)[0] == 0
    gates: list[str | Path] = [
        "--gates",
        tmp_path / "gates.yaml",
        "--against",
        f"held_out={tmp_path / 'eval.jsonl'}",
    ]
    assert call(monkeypatch, capsys, "curate", run, *gates, "--out", run)[0] == 0
    assert call(monkeypatch, capsys, "pack", run, "--out", tmp_path / "pack")[0] == 0
    whole = tmp_path / "whole"
    assert call(monkeypatch, capsys, "run", recipe, "--out", whole)[0] == 0

    assert read_tree(tmp_path / "pack") == read_tree(whole / "pack")


def test_other_seeds_leave_the_taxonomy_of_the_recipe_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path)
    (tmp_path / "other.csv").write_text("message,topic\nwhere is it,late\nit broke,broken\n")
    columns = ["--text-column", "message", "--slice-column", "topic"]
    run = tmp_path / "run"

    code, *_ = call(
        monkeypatch, capsys, "run", recipe, "--seeds", tmp_path / "other.csv", *columns, "--out", run
    )

    assert code == 0
    slices = pl.read_parquet(run / "candidates" / "*.parquet")["slice"]
    assert set(slices) == {"late", "broken"}


@pytest.mark.corpora
def test_a_recipe_runs_on_a_real_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = ROOT.parent / "shared" / "data" / "banking77" / "train.csv"
    if not corpus.exists():
        pytest.skip("needs the public corpora beside the checkout")
    columns = ["--text-column", "text", "--slice-column", "category"]
    code, out, err = call(
        monkeypatch, capsys, "run", write_recipe(tmp_path), "--seeds", corpus, *columns,
        "--candidates", "100", "--out", tmp_path / "run", "--json",
    )  # fmt: skip

    assert code == 0, err
    assert json.loads(out)["generated"] == 100
    assert pl.read_parquet(tmp_path / "run" / "candidates" / "*.parquet")["slice"].n_unique() == 77


def test_curate_leaves_accepted_and_rejected_rows_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "id": f"r{i}",
            "instruction": f"What is the price of lamp {i}?",
            "input": "",
            "output": f"It is {i} euros.",
        }
        for i in range(20)
    ]
    rows[7]["output"] = ""
    rows[9] = {**rows[8], "id": "copy"}
    write_recipe(tmp_path)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    out = tmp_path / "out"

    code, *_ = call(
        monkeypatch,
        capsys,
        "curate",
        tmp_path / "rows.jsonl",
        "--gates",
        tmp_path / "gates.yaml",
        "--out",
        out,
    )

    assert code == 0
    decisions = pl.read_parquet(out / "decisions.parquet")
    accepted = pl.read_parquet(out / "accepted" / "*.parquet")
    rejected = pl.read_parquet(out / "rejected" / "*.parquet")
    assert decisions["source_id"].to_list() == [row["id"] for row in rows]
    assert accepted.height + rejected.height == 20
    assert set(rejected["source_id"]) >= {"r7", "copy"}
    twin = rejected.filter(pl.col("source_id") == "copy")
    kept = accepted.filter(pl.col("source_id") == "r8")["row_id"].item()
    assert kept in twin["reason"].item()
    assert (out / "verdicts" / "dedup").is_dir()
    assert (out / "report.html").exists()


BAD_INPUT = {
    "a recipe that does not exist": (["run", "gone.yaml"], 2, "cannot be read"),
    "a recipe that is no YAML": (["run", "broken.yaml"], 2, "is not YAML"),
    "a key that is not known": (["run", "unknown.yaml"], 2, "Did you mean 'generate'"),
    "a dataset that does not exist": (["curate", "gone.jsonl", "--gates", "gates.yaml", "--out", "o"], 2, "gone"),
    "an engine that does not exist": (
        ["curate", "seeds.jsonl", "--gates", "gates.yaml", "--out", "o", "--engine", "dusk"], 2, "Did you mean 'dask'?",
    ),
    "an option that the engine does not take": (
        ["run", "recipe.yaml", "--engine-option", "workers=2"], 2, "engine local: workers is no option of it",
    ),
    "a gate file that does not exist": (["curate", "seeds.jsonl", "--gates", "no.yaml", "--out", "o"], 2, "no.yaml"),
    "an eval set without a name": (
        ["curate", "seeds.jsonl", "--gates", "gates.yaml", "--out", "o", "--against", "eval.jsonl"], 2, "NAME=PATH",
    ),
    "a pack of nothing": (["pack", "empty", "--out", "p"], 2, "holds no judged rows"),
    "a folder that is no pack": (["verify", "empty"], 1, "README.md is missing"),
    "a trace of nothing": (["trace", "empty", "0" * 32], 2, "empty"),
    "a command that does not exist": (["inspect"], 2, "No such command"),
    "an option that does not exist": (["run", "recipe.yaml", "--fast"], 2, "No such option"),
    "no candidates": (["run", "recipe.yaml", "--candidates", "0"], 2, "greater than or equal to 1"),
    "seeds without the column": (
        ["run", "recipe.yaml", "--seeds", "seeds.jsonl", "--text-column", "message"], 2, "no column 'message'",
    ),
    "a folder that holds something else": (["run", "recipe.yaml", "--out", "full"], 2, "holds no run"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_sentence_and_an_exit_code(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, expected, words = BAD_INPUT[case]
    write_recipe(tmp_path)
    (tmp_path / "broken.yaml").write_text("version: [1\nname: x")
    recipe = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "unknown.yaml").write_text(recipe.replace("\ngenerate:", "\ngenerat:"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    write_yaml(tmp_path / "full" / "notes.yaml", {"mine": True})
    monkeypatch.chdir(tmp_path)
    before = read_tree(tmp_path)

    code, out, err = call(monkeypatch, capsys, *arguments)

    assert code == expected
    assert words in err
    assert "Traceback" not in out + err
    if err.startswith("error: "):
        assert err.count("\n") == 1
    assert read_tree(tmp_path) == before


def test_a_teacher_that_is_not_there_is_exit_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = {"use": "http", "base_url": "http://127.0.0.1:9/v1", "model": "m", "chat_format": "qwen2"}
    recipe = write_recipe(tmp_path, teacher=teacher)

    code, out, err = call(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "run")

    assert (code, out) == (1, "")
    assert "cannot be reached" in err
    assert "Traceback" not in err


def test_a_row_cannot_write_control_sequences_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = (
        "\x1b]0;owned\x07 \x1b[31mred\x1b[0m [bold]markup[/bold] and that is all that I wanted to say to you"
    )
    recipe = write_recipe(tmp_path, teacher={"use": "scripted", "rules": [{"match": ".", "replies": [evil]}]})

    code, out, _ = call(monkeypatch, capsys, "preview", recipe, "-n", "2")

    assert code == 0
    assert "\x1b]0" not in out
    assert "\x07" not in out
    assert "[bold]markup[/bold]" in out


def test_export_writes_a_file_and_says_what_it_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = build_shaped_pack(tmp_path, [make_tool_row(), make_reasoning_row(), make_preference_row()])
    out = tmp_path / "rows.jsonl"
    code, said, err = call(monkeypatch, capsys, "export", pack, "--format", "messages", "--out", out)
    assert (code, said.strip()) == (0, f"2 rows in {out}")
    assert err == "skipped 1 row that messages cannot say: alternatives\n"
    code, said, err = call(
        monkeypatch, capsys, "export", pack, "--format", "sharegpt", "--out", out, "--json"
    )
    assert json.loads(said) == {
        "file": str(out),
        "format": "sharegpt",
        "split": "train",
        "rows": 1,
        "skipped": {"reasoning": 1, "alternatives": 1},
    }
    assert err.count("\n") == 2
    code, _, err = call(monkeypatch, capsys, "export", pack, "--format", "chatml", "--out", out)
    assert (code, err.count("\n")) == (2, 1)
    assert "allowed: messages, alpaca, sharegpt, trl-dpo, jsonl" in err
