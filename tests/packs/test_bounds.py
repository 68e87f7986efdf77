"""Packs that are made to fill the memory or to take for ever: refused in a sentence, within 2 GB and a minute."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.packs import layout
from synth_stack.packs.shards import MAX_GROUP_BYTES
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from tests.packs.tampering.forge import DATA, LINES, RECORDS, Forger, build_base

MAX_MB = 2_000
MAX_SECONDS = 60
COMMAS = b"[" + b"[]," * 20_000_000 + b"[]]"
"""60 MB of JSON that is 1.3 GB as lists."""

SCRIPT = """
import json, sys, time
from pathlib import Path
from synth_stack.packs import verify_pack
from synth_stack.packs.verify.verify import inspect_pack
for name in sys.argv[1:]:
    began = time.process_time()
    full = [str(problem) for problem in inspect_pack(Path(name)).problems]
    single = [str(problem) for problem in verify_pack.inspect(name).problems]
    told = Path("/proc/self/status").read_text()
    peak = int(told.partition("VmHWM:")[2].split()[0]) // 1024  # what getrusage says is the parent's too
    print(json.dumps([name, full, single, time.process_time() - began, peak]))
"""


def write_zeros(path: Path, size: int) -> None:
    with gzip.open(path, "wb", 1) as file:
        for _ in range(size // 1024**2):
            file.write(bytes(1024**2))


def write_wide(path: Path) -> None:
    """A Parquet file of 30,000 columns."""
    table = pa.table({f"c{n}": pa.array([1], pa.int8()) for n in range(30_000)})
    pq.write_table(table, path, use_dictionary=False, write_statistics=False, store_schema=False)


def write_page_bomb(path: Path) -> None:
    """The columns of rows, and one text that is a kilobyte as it lies there."""
    row = dict.fromkeys(CANDIDATE_SCHEMA.names)
    row |= {"row_id": "0" * 32, "kind": "code", "messages": [], "attachments": [], "generator": "x"}
    row |= {"generator_version": "1", "draw": 0, "replayable": False, "text": "\0" * (MAX_GROUP_BYTES + 1)}
    table = pa.Table.from_pylist([row], schema=CANDIDATE_SCHEMA)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_statistics=False)
    assert len(sink.getvalue()) < 300_000
    path.write_bytes(sink.getvalue())


def put(name: str, data: bytes, *, signed: bool = True) -> Callable[[Forger], None]:
    """A file of these bytes, signed where somebody with the key would."""
    return write(name, lambda path: path.write_bytes(data), signed=signed)


def write(name: str, change: Callable[[Path], object], *, signed: bool = True) -> Callable[[Forger], None]:
    def lie(forger: Forger) -> None:
        change(forger.path(name))
        if signed:
            forger.sign()

    return lie


def _spoil(name: str, content: bytes) -> Callable[[Forger], None]:
    """Puts `content` into a file of the pack, and signs it again."""

    def spoil(forger: Forger) -> None:
        forger.path(name).write_bytes(content)
        forger.sign()

    return spoil


def _overwrite(name: str, write: Callable[[Path], None]) -> Callable[[Forger], None]:
    """Writes a file of the pack anew, and signs it again."""

    def spoil(forger: Forger) -> None:
        write(forger.path(name))
        forger.sign()

    return spoil


BOMBS: dict[str, Callable[[Forger], object]] = {
    "a manifest of lists": lambda f: f.path("MANIFEST.json").write_bytes(COMMAS),
    "a statement of lists": lambda f: f.path(layout.STATEMENT).write_bytes(COMMAS[: 15 * 1024**2]),
    "measures of lists": _spoil(layout.MEASURES, COMMAS[: 15 * 1024**2]),
    "sections of lists": _spoil("seeds/sections.json", COMMAS),
    "a taxonomy of lists": _spoil("seeds/taxonomy.yaml", COMMAS[: 4 * 1024**2]),
    "a gate file of lists": _spoil(layout.GATES, COMMAS[: 4 * 1024**2]),
    "a recipe in sixties": _spoil(layout.RECIPE, b"seed: " + b"59:" * 1_300_000 + b"1\n"),
    "a line of zeros": _overwrite(LINES, lambda path: write_zeros(path, 512 * 1024**2)),
    "a Parquet page of zeros": _overwrite(DATA, write_page_bomb),
    "a Parquet file of many columns": _overwrite(RECORDS, write_wide),
    "tiles of 3 TB": lambda f: os.truncate(f.path(f"{layout.TILES}/0.bin"), 3 * 10**12),
    "a tree of 10 billion leaves": lambda f: f.sign({"tree": {"size": 10**10, "root": "0" * 64}}),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], list[str], float, int]]:
    """What both verifiers say of each bomb, in one process: problems, problems, processor seconds, peak MB so far."""
    base = build_base(tmp_path_factory.mktemp("base"))
    packs = {}
    for name, bomb in BOMBS.items():
        forger = Forger(base, tmp_path_factory.mktemp("bomb"))
        bomb(forger)
        packs[str(forger.pack)] = name
    done = subprocess.run([sys.executable, "-c", SCRIPT, *packs], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {packs[path]: (full, single, seconds, peak) for path, full, single, seconds, peak in told}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_a_sentence(
    name: str, answers: dict[str, tuple[list[str], list[str], float, int]]
) -> None:
    full, _, seconds, peak = answers[name]
    assert full
    assert all(problem.isprintable() and len(problem) < 1_000 for problem in full)
    assert seconds < MAX_SECONDS
    assert peak < MAX_MB
