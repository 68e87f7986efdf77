"""What the gates of a run have cost to run: seconds, and calls of a model. Kept beside their verdicts.

The files are hidden, so they are in no manifest: the same run takes another time.
"""

from dataclasses import dataclass
from pathlib import Path

import orjson

from synth_stack.errors import StoreError
from synth_stack.files import store_errors, write_bytes

_CLOCK = ".clock.json"


@dataclass(frozen=True, slots=True)
class GateWork:
    """The seconds that a gate has worked, its self-test included, and how often it has called a model.

    A run that is killed forgets what the gate under way had done since the command was started.
    """

    seconds: float = 0.0
    model_calls: int = 0


def read_gate_work(folder: Path, gate: str) -> GateWork | None:
    """The work of a gate in the run at `folder`; None where it was not kept. Raises StoreError."""
    path = folder / "verdicts" / gate / _CLOCK
    if not path.exists():
        return None
    try:
        with store_errors(path):
            said = orjson.loads(path.read_bytes())
        return GateWork(float(said["seconds"]), int(said["model_calls"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise StoreError(f"{path} does not say what a gate's work has cost") from exc


def add_gate_work(folder: Path, gate: str, seconds: float, model_calls: int) -> None:
    """Adds to the work of a gate in the run at `folder`."""
    before = read_gate_work(folder, gate) or GateWork()
    total = {"seconds": before.seconds + seconds, "model_calls": before.model_calls + model_calls}
    write_bytes(folder / "verdicts" / gate / _CLOCK, orjson.dumps(total))
