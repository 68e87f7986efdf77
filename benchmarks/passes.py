"""What the gates of a file send to the process that leads a run, and what that process does alone.

    python benchmarks/passes.py ROWS GATE_FILE

Curates ROWS on the local engine and prints, of each pass of each gate, the bytes a row of its sketches, which
every engine writes beside the shards and the leader reads, and the seconds of CPU that the leader takes per
million rows of the source to merge them (what is planted is sketched and, in the last pass, the state is
read again within them). Then the bytes a row of each kind of files that the run leaves.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from synth_stack import curate
from synth_stack.engines.engine import Advance, Step, Work
from synth_stack.engines.local import LocalEngine
from synth_stack.registry import engine
from synth_stack.runs.folder import Shard

LEFT = ("candidates", "accepted", "rejected", "verdicts", "state")
MILLION = 1_000_000


class Watched:
    """An engine that notes the sketches of each pass, and what the leader does until its next step."""

    def __init__(self, local: LocalEngine) -> None:
        self._local = local
        self.sketched: list[tuple[str, int]] = []
        self.led: list[float] = []
        self._since: float | None = None

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """Does the step on the local engine."""
        self.end_pass()
        self._local.map_shards(work, step, shards, advance)
        if step.do == "sketch":
            sketches = Path(work.spec.folder) / "state" / work.spec.gate / f".round-{step.round}"
            self.sketched.append((f"{work.spec.gate} pass {step.round + 1}", measure_files(sketches)))
            self._since = time.process_time()

    def end_pass(self) -> None:
        """The leader goes on to what comes after a merge."""
        if self._since is not None:
            self.led.append(time.process_time() - self._since)
            self._since = None


watched = Watched(LocalEngine())


@engine("watched", version="1")
@contextlib.contextmanager
def open_watched() -> Iterator[Watched]:
    """The engine of this benchmark."""
    with contextlib.closing(watched._local):
        yield watched


def measure_files(folder: Path) -> int:
    """The bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Curates and prints."""
    parser = argparse.ArgumentParser(description="What gates send to the process that leads a run.")
    parser.add_argument("rows", type=Path)
    parser.add_argument("gates", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        batch = curate(given.rows, given.gates, Path(home) / "out", engine="watched")
        rows = batch.figures.counts()["generated"]
        print(f"{rows:,} rows")
        for (name, size), seconds in zip(watched.sketched, watched.led, strict=True):
            print(f"{name:32} {size / rows:9.1f} B a row {seconds * MILLION / rows:9.1f} s a million rows")
        for name in LEFT:
            print(f"{name:32} {measure_files(batch.folder / name) / rows:9.1f} B a row")


if __name__ == "__main__":
    main()
