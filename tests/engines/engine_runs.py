"""What the tests of every engine share: a small batch judged, its folder, and what is left of processes."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from synth_stack.runs.folder import MANIFEST
from synth_stack.watcher import MARK
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


_RUN_CODE = """
import json, signal, sys
import synth_stack.inputs.foreign, synth_stack.runs.folder
from synth_stack import curate
from synth_stack.errors import SynthStackError

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without one
synth_stack.inputs.foreign.SHARD_ROWS = synth_stack.runs.folder.SHARD_ROWS = 100
source, gates, out, engine = sys.argv[1:]
try:
    curate(json.loads(open(source).read()), gates, out, engine=json.loads(engine))
except SynthStackError as exc:
    sys.exit(f"{type(exc).__name__}: {exc}")
"""


@contextlib.contextmanager
def started(
    rows: Path,
    gates: Path,
    out: Path,
    engine: Mapping[str, Any],
    run: str = "",
    *,
    den: Path | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """`curate` in shards of 100 rows in a process of its own, which ends with the block; `den` is where its
    temporary files are.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN_CODE, str(rows), str(gates), str(out), json.dumps(engine)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), RUN: run}
        | ({} if den is None else {"TMPDIR": str(den)}),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """The exit code of a run, and what it said."""
    _, said = process.communicate(timeout=900)
    return process.returncode, said


def wait_until(is_so: Callable[[], bool], timeout_s: float = 300.0) -> None:
    """Returns once it is so. Fails after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.05)


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
