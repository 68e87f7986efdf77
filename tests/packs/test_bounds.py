"""Packs that are made to fill the memory or to take for ever: refused in a sentence, within 2 GB and a minute."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
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


BOMBS: dict[str, Callable[[Forger], None]] = {
    "a manifest of lists": put("MANIFEST.json", COMMAS, signed=False),
    "a statement of lists": put(layout.STATEMENT, COMMAS[: 15 * 1024**2], signed=False),
    "measures of lists": put(layout.MEASURES, COMMAS[: 15 * 1024**2]),
    "sections of lists": put("seeds/sections.json", COMMAS),
    "a taxonomy of lists": put("seeds/taxonomy.yaml", COMMAS[: 4 * 1024**2]),
    "a gate file of lists": put(layout.GATES, COMMAS[: 4 * 1024**2]),
    "a recipe in sixties": put(layout.RECIPE, b"seed: " + b"59:" * 1_300_000 + b"1\n"),
    "a line of zeros": write(LINES, partial(write_zeros, size=512 * 1024**2)),
    "a Parquet page of zeros": write(DATA, write_page_bomb),
    "a Parquet file of many columns": write(RECORDS, write_wide),
    "tiles of 3 TB": write(f"{layout.TILES}/0.bin", partial(os.truncate, length=3 * 10**12), signed=False),
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
