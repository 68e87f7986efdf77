"""What the tests of every engine share: a small batch judged, its folder, and what is left of processes."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from synth_stack.engines.watcher import MARK
from synth_stack.runs.folder import MANIFEST
from tests.recipes import read_tree

TOY = Path(__file__).parent / "long_texts.py"
GATES: list[dict[str, Any]] = [
    {"use": "structure", "canaries": 2},
    {"use": "dedup", "canaries": 2},
    {"use": "long_texts"},
]


def write_gates(folder: Path, gates: Sequence[Mapping[str, Any]] = GATES) -> Path:
    """A gate file with the toy gate loaded as an extension."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "load": [str(TOY)], "gates": list(gates)}))
    return path


def make_rows(count: int) -> list[dict[str, str]]:
    """Records with a few near copies and a few long texts."""
    rows: list[dict[str, str]] = []
    for number in range(count):
        words = [f"word{(number * 7919 + place * place) % 997}" for place in range(30)]
        answer = " ".join(words) * (9 if number % 50 == 3 else 1)
        if number % 40 == 7:
            answer = rows[number - 5]["output"] + " indeed"
        rows.append({"id": f"r{number}", "instruction": f"Say something about {number}.", "output": answer})
    return rows


def read_bytes(folder: Path) -> dict[str, bytes]:
    """Every visible file of a judged folder; of the manifest, without the engine."""
    files = read_tree(folder)
    manifest = json.loads(files.pop(MANIFEST))
    del manifest["facts"]["engine"]
    return {**files, MANIFEST: json.dumps(manifest, sort_keys=True).encode()}


@contextlib.contextmanager
def started(
    source: Path, gates: Path, out: Path, engine: Mapping[str, Any]
) -> Iterator["subprocess.Popen[bytes]"]:
    """`curate` in a process of its own, which ends with the block."""
    code = (
        "import json, sys; from synth_stack import curate\n"
        "curate(sys.argv[1], sys.argv[2], sys.argv[3], engine=json.loads(sys.argv[4]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(source), str(gates), str(out), json.dumps(engine)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


RUN = "RUN_OF_A_TEST"


def list_marked(run: str) -> dict[int, str]:
    """Processes with the mark of an engine, and their command lines, where RUN was `run` when it was opened."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environ = (folder / "environ").read_bytes().split(b"\0")
            alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            marked = any(each.startswith(MARK.encode()) for each in environ)
            if alive and marked and f"{RUN}={run}".encode() in environ:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found
