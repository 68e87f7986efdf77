"""What the local page takes over a big run: opening it, searching, ordering by a score, one row.

    python benchmarks/ui.py --rows 500000

The run is made as benchmarks/replay.py makes it. Prints seconds of each question, the first time and again,
and the peak memory of the process.
"""

import argparse
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from replay import GATES, make_rows, repeat_run, write_gates

from synth_stack import curate
from synth_stack.packs.trace import trace
from synth_stack.ui.row_index import RowIndex, RowQuery, open_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ui-"))
    try:
        run = folder / "run"
        write_gates(folder / "gates.yaml", GATES)
        curate(
            make_rows(random.Random(args.seed), folder / "exam.jsonl"),
            folder / "gates.yaml",
            folder / "small",
        )
        repeat_run(folder / "small", run, args.rows, args.seed)
        index = show("open", lambda: open_rows(run))
        ask(index, run)
    finally:
        shutil.rmtree(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'peak memory':<28} {peak:8.0f} MB")


def ask(index: RowIndex, run: Path) -> None:
    show("summary", index.summarise)
    show("first page", lambda: index.find(RowQuery()))
    show("last page", lambda: index.find(RowQuery(offset=len(index.rows) - 50)))
    for again in ("", ", again"):
        show(f"search{again}", lambda: index.find(RowQuery(needle="refund")))
        show(f"by score{again}", lambda: index.find(RowQuery(gate="toxicity", by_score=True)))
    row_id = index.find(RowQuery(choices={"decision": "rejected"}))["rows"][0]["row_id"]
    show("one row", lambda: trace(run, row_id))


def show(what: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    value = work()
    print(f"{what:<28} {time.perf_counter() - start:8.2f} s", flush=True)
    return value


if __name__ == "__main__":
    main()
