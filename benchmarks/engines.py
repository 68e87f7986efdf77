"""What each engine costs over the local one: the same batch, the same gates, the same two cores.

    python benchmarks/engines.py --rows 200000 --workers 2
    python benchmarks/engines.py --rows 40000 --engines local,dask

Rows are drawn from a vocabulary by a seed (tests/engines/planted_rows.py), so that any size can be had. The
gates are structure, dedup and toxicity's own scorer, which need no model of somebody else. Each engine runs
in a process of its own, from the rows to the manifest, and the folders that they leave are compared byte by
byte.
One line of JSON an engine: seconds, seconds of CPU of every process of the run (Ray's daemons and workers
too, looked at each LOOK_S), rows a second, the ratios of both to local, the largest resident set of the
driver and of a process that it waited for in MB, and bytes a row of what lies in the folder. On a machine
with other work the seconds of CPU say more than the others. Fewer than 30,000 rows are judged by the local
engine in one process: compare from there on. Needs /proc.
"""

import argparse
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))

MARK = "ENGINES_BENCHMARK"
LOOK_S = 0.2

GATES = """
version: 1
gates:
  - {use: structure, canaries: 5, min_recall: 0, max_unfair: 1}
  - {use: dedup, canaries: 5, min_recall: 0, max_unfair: 1}
  - {use: toxicity, scorer: hate-ngrams, threshold: 0.55, canaries: 5, min_recall: 0, max_unfair: 1}
"""
RUN = """
import json, os, resource, sys, time
rows, gates, out, engine, cores = sys.argv[1:]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(cores)])
from synth_stack import curate
started = time.monotonic()
curate(rows, gates, out, engine=json.loads(engine))
print(json.dumps({
    "seconds": time.monotonic() - started,
    "driver_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "worker_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
}))
"""


def describe_engine(name: str, workers: int) -> dict[str, Any]:
    """The engine with as many workers as the local one has cores."""
    return {"use": name} if name == "local" else {"use": name, "workers": workers}


def run_engine(rows: Path, gates: Path, out: Path, engine: Mapping[str, Any], cores: int) -> dict[str, float]:
    """What one run took."""
    command = [sys.executable, "-c", RUN, str(rows), str(gates), str(out), json.dumps(engine), str(cores)]
    mark = secrets.token_hex(16)
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(HERE), MARK: mark},
        stdout=subprocess.PIPE,
    )
    used: dict[int, float] = {}
    while process.poll() is None:
        used.update(list_used(mark))
        time.sleep(LOOK_S)
    assert process.stdout is not None
    said = process.stdout.read().splitlines()
    if process.returncode:
        sys.exit(f"{engine['use']} has failed")
    measured: dict[str, float] = json.loads(said[-1])
    return {**measured, "cpu_s": sum(used.values())}


def list_used(mark: str) -> dict[int, float]:
    """Seconds of CPU of each process that carries the mark in its environment."""
    wanted, ticks = f"{MARK}={mark}".encode(), os.sysconf("SC_CLK_TCK")
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or of another user
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                after = (folder / "stat").read_text().rpartition(")")[2].split()
                found[int(folder.name)] = (int(after[11]) + int(after[12])) / ticks
    return found


def measure_bytes(folder: Path, rows: int) -> dict[str, float]:
    """Bytes a row of what lies in the folder."""
    sizes = {}
    for name in ("candidates", "verdicts", "state", "accepted"):
        files = [path for path in (folder / name).rglob("*") if path.is_file()]
        sizes[f"{name}_bytes_per_row"] = round(sum(path.stat().st_size for path in files) / rows, 1)
    return sizes


def main() -> None:
    """Runs every engine that was named, the local one first."""
    from tests.engines.engine_runs import read_bytes
    from tests.engines.planted_rows import draw_rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engines", default="local,dask,datatrove")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, gates = folder / "rows.jsonl", folder / "gates.yaml"
        with rows.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in draw_rows(given.rows, 0))
        gates.write_text(GATES)
        reference: dict[str, float] = {}
        expected: dict[str, bytes] = {}
        for engine in given.engines.split(","):
            out = folder / engine
            took = run_engine(rows, gates, out, describe_engine(engine, given.workers), given.workers)
            reference, expected = reference or took, expected or read_bytes(out)
            told = {key: round(value, 1) for key, value in took.items()}
            ratios = {
                "ratio": round(took["seconds"] / reference["seconds"], 2),
                "cpu_ratio": round(took["cpu_s"] / reference["cpu_s"], 2),
            }
            speed = round(given.rows / took["seconds"])
            sizes = measure_bytes(out, given.rows)
            same = read_bytes(out) == expected
            line = {"engine": engine, "rows": given.rows, **told, "rows_per_s": speed, **ratios}
            print(json.dumps({**line, "same_bytes": same, **sizes}), flush=True)
            if not same:
                sys.exit(f"{engine} does not leave the bytes of the first engine")


if __name__ == "__main__":
    main()
