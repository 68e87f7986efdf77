"""An index of earlier packs: what it stands for, how it is extended, which gates it serves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth_stack.errors import ConfigError, InputError
from synth_stack.files import read_table
from synth_stack.rows.schemas import DECISION_SCHEMA
from synth_stack.workflows.curate import curate
from synth_stack.workflows.index import index_packs
from tests.recipes import call, write_jsonl

FIRST = "The parcel was handed to a neighbour at number nine on Tuesday afternoon, says the driver."
SECOND = "A refund reaches the card that you paid with within five working days after the return."
THIRD = "The hub restarts by itself after every update and needs about two minutes until it is back."


def curate_texts(folder: Path, texts: list[str], **dedup: Any) -> list[str]:
    """The decisions on rows of these texts, judged in `folder`/out."""
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "rows.jsonl", [{"id": str(k), "text": text} for k, text in enumerate(texts)])
    gates = write_gates(folder, **dedup)
    curate(folder / "rows.jsonl", gates, folder / "out")
    return list(read_table(folder / "out" / "decisions.parquet", DECISION_SCHEMA)["decision"].to_pylist())


def write_gates(folder: Path, **dedup: Any) -> Path:
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "gates": [{"use": "dedup", "canaries": 0, **dedup}]}))
    return path


def test_an_index_turns_away_what_its_packs_hold_and_is_extended_by_another(tmp_path: Path) -> None:
    assert curate_texts(tmp_path / "one", [FIRST, FIRST]) == ["accepted", "rejected"]
    assert curate_texts(tmp_path / "two", [SECOND]) == ["accepted"]
    gates = write_gates(tmp_path)
    assert index_packs([tmp_path / "one" / "out"], gates, tmp_path / "first.parquet") == 1
    both = tmp_path / "both.parquet"
    assert index_packs([tmp_path / "first.parquet", tmp_path / "two" / "out"], gates, both) == 2

    new = [FIRST, SECOND, THIRD]
    against = [{"name": "earlier", "path": str(tmp_path / "first.parquet")}]
    assert curate_texts(tmp_path / "a", new, against=against) == ["rejected", "accepted", "accepted"]
    against = [{"name": "earlier", "path": str(both)}]
    assert curate_texts(tmp_path / "b", new, against=against) == ["rejected", "rejected", "accepted"]


def test_an_index_serves_gates_that_compare_alike_and_no_other(tmp_path: Path) -> None:
    curate_texts(tmp_path / "one", [FIRST])
    index_packs([tmp_path / "one" / "out"], write_gates(tmp_path), tmp_path / "index.parquet")
    against = [{"name": "earlier", "path": str(tmp_path / "index.parquet")}]
    with pytest.raises(ConfigError, match="ngram"):
        curate_texts(tmp_path / "two", [FIRST], against=against, ngram=4)


def test_what_cannot_be_indexed_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is nothing to compare with"):
        index_packs([tmp_path], write_gates(tmp_path), tmp_path / "index.parquet")
    path = tmp_path / "other.yaml"
    path.write_text("version: 1\ngates:\n- {use: structure}\n")
    with pytest.raises(ConfigError, match="no gate that compares with earlier packs"):
        index_packs([tmp_path], path, tmp_path / "index.parquet")
    assert not (tmp_path / "index.parquet").exists()


def test_any_gate_that_declares_an_index_is_served(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import json\n"
        "from synth_stack.gates.gate import Judge\n"
        "from synth_stack.registry import FilePath, gate\n"
        "def note(packs, params, out):\n"
        "    out.write_text(json.dumps([[[name, str(path)] for name, path in packs], dict(params)]))\n"
        "    return len(packs)\n"
        "@gate('mine', version='1', index=note)\n"
        "def mine(*, words: FilePath) -> Judge: ...\n",
        encoding="utf-8",
    )
    file = tmp_path / "mine.yaml"
    file.write_text(
        "version: 1\nload: [mine.py]\ngates:\n- use: structure\n- {use: mine, words: words.txt}\n"
    )
    out = tmp_path / "index.json"
    code = (
        "import sys; from synth_stack.workflows.index import index_packs;"
        "print(index_packs(sys.argv[3:], sys.argv[1], sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(file), str(out), str(tmp_path / "a b!"), "two"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "2\n"
    assert json.loads(out.read_text()) == [
        [["a_b", str(tmp_path / "a b!")], ["two", "two"]],
        {"words": str(tmp_path / "words.txt")},
    ]


def test_the_command_says_how_many_rows_the_index_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curate_texts(tmp_path / "a b!", [FIRST, SECOND])
    arguments: list[str | Path] = ["--gates", write_gates(tmp_path), "--out", tmp_path / "index.parquet"]
    code, out, _ = call(monkeypatch, capsys, "index", tmp_path / "a b!" / "out", *arguments)
    assert (code, out) == (0, f"2 rows in {tmp_path / 'index.parquet'}\n")
