"""Small recipes and command lines for the tests."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth_stack.cli.main import main

LEAKED = "the blue lamp in the hall went out twice on Monday and nobody from the shop has called me back"
TWIN = "We are sorry to hear that the lamp went out; a new one leaves our warehouse on the next working day."

SEEDS = [
    {"id": f"s{i}", "slice": slice_, "locale": "en-GB", "text": text}
    for i, (slice_, text) in enumerate(
        [
            ("lamps/broken", "my lamp will not switch on any more"),
            ("lamps/broken", "the light flickers when the kettle is on"),
            ("lamps/dim", "it is far too dark to read by"),
            ("orders/late", "where is my parcel, it should have come on Friday"),
            ("orders/late", "still waiting for order 4711"),
            ("orders/wrong", "you sent me a green one and I ordered a blue one"),
        ]
    )
]


def write_recipe(folder: Path, **changes: Any) -> Path:
    """A recipe with its seeds, gates and eval set in `folder`; `changes` replace its top-level keys."""
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "seeds.jsonl", SEEDS)
    write_jsonl(folder / "eval.jsonl", [{"id": "e1", "prompt": LEAKED, "answer": "Please send us a photo."}])
    gates = {
        "version": 1,
        "gates": [
            {"use": "structure", "why": "broken rows teach nothing"},
            {"use": "dedup", "threshold": 0.85},
            {"use": "contamination", "against": [], "embedding": None},
        ],
    }
    write_yaml(folder / "gates.yaml", gates)
    recipe = {
        "version": 1,
        "name": "lamps",
        "about": "the support desk of a lamp shop",
        "seed": 7,
        "seeds": {
            "path": "seeds.jsonl",
            "slice_column": "slice",
            "locale_column": "locale",
            "id_column": "id",
        },
        "teacher": {"use": "scripted", "empty_share": 0.1},
        "generate": {
            "candidates": 40,
            "batch_rows": 4,
            "methods": [
                {"use": "self_instruct", "share": 0.5, "examples": 2},
                {"use": "evol_instruct", "share": 0.25},
                {"use": "magpie", "share": 0.25},
            ],
        },
        "gates": "gates.yaml",
        "eval_sets": [{"name": "held_out", "path": "eval.jsonl"}],
        "pack": {"pretty_name": "Lamps", "license": "cc0-1.0", "languages": ["en"]},
    }
    write_yaml(folder / "recipe.yaml", {**recipe, **changes})
    return folder / "recipe.yaml"


def write_yaml(path: Path, value: Any) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def write_jsonl(path: Path, rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["synth-stack", *map(str, arguments)])
    capsys.readouterr()
    try:
        main()
        code = 0
    except SystemExit as exc:
        code = int(exc.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def read_tree(folder: Path) -> dict[str, bytes]:
    """Every visible file of a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
