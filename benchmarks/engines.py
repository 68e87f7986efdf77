"""What each engine costs over the local one: the same batch, the same gates, the same two cores.

    python benchmarks/engines.py --rows 200000 --workers 2
    python benchmarks/engines.py --rows 40000 --engines local,dask

Rows are drawn from a vocabulary by a seed (tests/engines/planted_rows.py), so that any size can be had. The
gates are structure, dedup and toxicity's own scorer, which need no model of somebody else. Each engine runs
in a process of its own, from the rows to the manifest, and the folders that they leave are compared byte by
byte.
One line of JSON an engine: seconds, seconds of CPU and the most memory in MB of every process of the run
(Ray's daemons and workers too), rows a second, the ratios of both times to local, and bytes a row of what
lies in the folder. On a machine with other work the seconds of CPU say more than the others. Fewer than
30,000 rows are judged by the local engine in one process: compare from there on. Needs /proc.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from processes import measure_command

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))

GATES = """
version: 1
gates:
  - {use: structure, canaries: 5, min_recall: 0, max_unfair: 1}
  - {use: dedup, canaries: 5, min_recall: 0, max_unfair: 1}
  - {use: toxicity, scorer: hate-ngrams, threshold: 0.55, canaries: 5, min_recall: 0, max_unfair: 1}
"""
RUN = """
import json, os, sys, time
rows, gates, out, engine, cores = sys.argv[1:]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(cores)])
from synth_stack import curate
started = time.monotonic()
curate(rows, gates, out, engine=json.loads(engine))
print(json.dumps({"seconds": time.monotonic() - started}))
"""


def describe_engine(name: str, workers: int) -> dict[str, Any]:
    """The engine with as many workers as the local one has cores."""
    return {"use": name} if name == "local" else {"use": name, "workers": workers}


def run_engine(rows: Path, gates: Path, out: Path, engine: Mapping[str, Any], cores: int) -> dict[str, float]:
    """What one run took."""
    command = [sys.executable, "-c", RUN, str(rows), str(gates), str(out), json.dumps(engine), str(cores)]
    used = measure_command(command, HERE)
    if used.code:
        sys.exit(f"{engine['use']} has failed")
    measured: dict[str, float] = json.loads(used.said.splitlines()[-1])
    return {**measured, "cpu_s": used.cpu_s, "peak_mb": used.peak_mb}


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
