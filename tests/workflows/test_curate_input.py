"""What curate reads of an input, what it tells of it, and what it refuses before any work."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import synth_stack
from synth_stack.errors import ConfigError, InputError, RunMismatch
from synth_stack.files import read_table
from synth_stack.runs.folder import LOCK
from synth_stack.workflows.curate import INPUT, curate, read_input
from tests.foreign_rows import turns
from tests.recipes import call, read_tree, write_jsonl

ROWS = [
    {"id": str(n), "customer_message": f"Where is my parcel number {n}?", "agent_reply": f"Parcel {n} is on its way.",
     "stars": n}
    for n in range(3)
]  # fmt: skip
MAP = {"prompt": "customer_message", "answer": "agent_reply"}


def write_gates(folder: Path, **more: Any) -> Path:
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "gates": [{"use": "structure", "canaries": 0}], **more}))
    return path


def read_messages(folder: Path) -> list[list[tuple[str, str]]]:
    """Role and content of every message of every candidate."""
    rows = read_table(folder / "candidates" / "part-00000.parquet")["messages"].to_pylist()
    return [[(m["role"], m["content"]) for m in row] for row in rows]


EXPECTED = [[("user", r["customer_message"]), ("assistant", r["agent_reply"])] for r in ROWS]


def test_a_map_of_the_call_names_the_columns(tmp_path: Path) -> None:
    batch = curate(ROWS, write_gates(tmp_path), tmp_path / "out", map=MAP)

    assert read_messages(batch.folder) == EXPECTED
    assert batch.figures.accepted == 3
    assert yaml.safe_load((batch.folder / LOCK).read_text())["source"]["map"] == MAP


def test_a_map_of_the_gate_file_is_the_same_and_the_call_goes_before_it(tmp_path: Path) -> None:
    one = curate(ROWS, write_gates(tmp_path, map=MAP), tmp_path / "one").folder
    gates = write_gates(tmp_path, map={"prompt": "stars", "answer": "agent_reply"})
    two = curate(ROWS, gates, tmp_path / "two", map={"prompt": "customer_message"}).folder

    assert read_messages(one) == read_messages(two) == EXPECTED
    assert read_tree(one) == read_tree(two)


def test_another_map_is_another_input(tmp_path: Path) -> None:
    rows = [
        {"prompt": r["customer_message"], "answer": r["agent_reply"], "other": "Quite another answer."}
        for r in ROWS
    ]
    curate(rows, write_gates(tmp_path), tmp_path / "out")
    with pytest.raises(RunMismatch):
        curate(rows, write_gates(tmp_path), tmp_path / "out", map={"answer": "other"})


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"body": "x"}, "map: there is no such field; seen: body"),
        ({"prompt": "x", "answer": "x"}, "map: one column cannot be two fields"),
        ({}, "no column says what the text is; seen: id, customer_message, agent_reply, stars; "),
        ({"prompt": "nowhere"}, "the map names a column that is not there; seen: nowhere"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_before_anything_is_written(
    named: dict[str, str], message: str, tmp_path: Path
) -> None:
    for given in (named, None):
        gates = write_gates(tmp_path, map=named) if given is None else write_gates(tmp_path)
        with pytest.raises((ConfigError, InputError)) as caught:
            curate(ROWS, gates, tmp_path / "out", map=given)
        assert message in str(caught.value)
        assert caught.value.exit_code == 2
        assert not (tmp_path / "out").exists()


def test_a_run_has_columns_of_its_own(tmp_path: Path) -> None:
    gates = write_gates(tmp_path, map=MAP)
    out = curate(ROWS, gates, tmp_path / "out").folder
    again = curate(out, gates, tmp_path / "again")

    assert read_messages(again.folder) == EXPECTED
    assert read_input(again.folder) is None
    with pytest.raises(ConfigError, match="is a run, whose columns are known"):
        curate(out, gates, tmp_path / "more", map=MAP)


def test_what_was_kept_and_skipped_is_written_down_and_stays_there(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write_jsonl(source / "a.jsonl", ROWS)
    (source / "dataset_infos.json").write_text("{}")
    folder = curate(source, write_gates(tmp_path), tmp_path / "out", map=MAP).folder
    read = read_input(folder)

    assert read is not None
    assert (read["name"], read["notices"]) == (
        "in",
        [
            {"what": "skipped", "name": "dataset_infos.json", "detail": "describes data and holds none", "count": 1, "unit": "files"},
            {"what": "kept", "name": "column 'stars'", "detail": "in extra", "count": 3, "unit": "rows"},
            {"what": "renamed", "name": "column 'customer_message'", "detail": "read as prompt", "count": 3, "unit": "rows"},
            {"what": "renamed", "name": "column 'agent_reply'", "detail": "read as answer", "count": 3, "unit": "rows"},
        ],
    )  # fmt: skip
    before = (folder / INPUT).read_bytes()
    curate(source, write_gates(tmp_path), folder, map=MAP)
    assert (folder / INPUT).read_bytes() == before


def test_the_command_line_takes_a_map_and_tells_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "in.jsonl", ROWS)
    options = (
        "curate",
        tmp_path / "in.jsonl",
        "--gates",
        write_gates(tmp_path),
        "--out",
        tmp_path / "out",
        "--quiet",
    )
    code, out, err = call(monkeypatch, capsys, *options)
    assert (code, out) == (2, "")
    assert err.endswith("Name them: --map prompt=customer_message,answer=agent_reply\n")

    mapped = (*options, "--map", "prompt=customer_message,answer=agent_reply")
    code, out, err = call(monkeypatch, capsys, *mapped)
    assert code == 0
    assert "accepted" in out
    assert err.splitlines() == [
        "input   kept column 'stars': in extra: 3 rows",
        "input   renamed column 'customer_message': read as prompt: 3 rows",
        "input   renamed column 'agent_reply': read as answer: 3 rows",
    ]
    code, out, err = call(monkeypatch, capsys, *mapped, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["accepted"] == 3
    assert told["input"] == read_input(tmp_path / "out")
    write_jsonl(
        tmp_path / "plain.jsonl",
        [{"prompt": r["customer_message"], "answer": r["agent_reply"]} for r in ROWS],
    )
    plain = (
        "curate",
        tmp_path / "plain.jsonl",
        "--gates",
        tmp_path / "gates.yaml",
        "--out",
        tmp_path / "plain",
    )
    assert "input" not in json.loads(call(monkeypatch, capsys, *plain, "--json")[1])


def test_a_file_of_which_no_row_can_be_read_is_exit_2_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "in.jsonl", [{"messages": ["Hi", "Hello"]}] * 5)
    code, out, err = call(
        monkeypatch,
        capsys,
        "curate",
        tmp_path / "in.jsonl",
        "--gates",
        write_gates(tmp_path),
        "--out",
        tmp_path / "out",
    )

    assert (code, out) == (2, "")
    assert err == (
        "error: in.jsonl: none of its 5 rows can be read; seen: line 1: column 'messages' is not a list of turns. See "
        "docs/curate.md for what is read.\n"
    )
    assert not (tmp_path / "out").exists()


def test_the_function_of_the_package_takes_a_map(tmp_path: Path) -> None:
    batch = synth_stack.curate(
        [{"dialog": turns("Where is my parcel today?", "It is on its way.")}],
        write_gates(tmp_path),
        tmp_path / "out",
        map={"messages": "dialog"},
    )

    assert batch.figures.generated == 1
