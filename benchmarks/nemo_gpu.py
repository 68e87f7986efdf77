"""Near-duplicates with NeMo Curator's LSHStage on GPUs: whether all is as on the CPU, and what it takes.

    python benchmarks/nemo_gpu.py --rapids rapids/bin/python --rows 200000

`--rapids` is the Python of an environment with RAPIDS (docs/install.md says how it is made), on a machine
with a GPU that it can use. Rows are drawn from a vocabulary by a seed (tests/engines/planted_rows.py). They
are curated by dedup twice, on the local engine and with the buckets from NeMo Curator, and the folders are
compared byte by byte; then the buckets alone are found either way from the same band keys. One line of
JSON: `same_bytes`, `same_buckets`, and the seconds of each.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))

GATES = "version: 1\ngates: [{use: dedup, canaries: 5, min_recall: 0, max_unfair: 1}]\n"


def time_work(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and its seconds."""
    started = time.monotonic()
    done = work()
    return done, round(time.monotonic() - started, 2)


def compare_buckets(rows: int, rapids: str) -> dict[str, Any]:
    """Random band keys of as many rows, of which each occurs about twice, both ways."""
    from synth_stack.gates.dedup.lsh import choose_bands, find_buckets
    from synth_stack.gates.dedup.nemo_buckets import find_buckets_on_gpus

    bands, _ = choose_bands(0.85)
    keys = np.random.default_rng(0).integers(0, max(rows // 2, 1), (rows, bands)).astype(np.uint32)
    here, seconds = time_work(lambda: [find_buckets(keys[:, band]) for band in range(bands)])
    there, gpu_seconds = time_work(lambda: find_buckets_on_gpus(keys, rapids))
    same = all(
        np.array_equal(one.rows, other.rows) and np.array_equal(one.firsts, other.firsts)
        for one, other in zip(here, there, strict=True)
    )
    return {"same_buckets": same, "buckets_s": seconds, "buckets_gpu_s": gpu_seconds}


def main() -> None:
    """Prints the line, and exits with 1 where anything differs."""
    from synth_stack import curate
    from synth_stack.models.rapids import RAPIDS
    from tests.engines.engine_runs import read_bytes
    from tests.engines.planted_rows import draw_rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rapids", required=True)
    parser.add_argument("--rows", type=int, default=200_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, gates = folder / "rows.jsonl", folder / "gates.yaml"
        with rows.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in draw_rows(given.rows, 0))
        gates.write_text(GATES)
        os.environ.pop(RAPIDS, None)
        _, seconds = time_work(lambda: curate(rows, gates, folder / "cpu"))
        os.environ[RAPIDS] = given.rapids
        _, gpu_seconds = time_work(lambda: curate(rows, gates, folder / "gpu"))
        told = {"rows": given.rows, "same_bytes": read_bytes(folder / "cpu") == read_bytes(folder / "gpu")}
        told |= {"curate_s": seconds, "curate_gpu_s": gpu_seconds}
    told |= compare_buckets(given.rows, given.rapids)
    print(json.dumps(told))
    if not (told["same_bytes"] and told["same_buckets"]):
        sys.exit("the GPU does not give what the CPU gives")


if __name__ == "__main__":
    main()
