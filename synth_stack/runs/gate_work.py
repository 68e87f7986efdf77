"""What the gates of a run have cost: seconds, and calls of a model. Kept in one file of the run folder.

The file is hidden, so it is in no manifest: the same run takes another time.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from synth_stack.errors import StoreError
from synth_stack.files import store_errors, write_bytes

GATES_CLOCK = ".gates-clock.json"


@dataclass(frozen=True, slots=True)
class GateWork:
    """The seconds that a gate has worked, its self-test included, and how often it has called a model.

    A run that is killed forgets what the gate under way had done since the command was started.
    """

    seconds: float = 0.0
    model_calls: int = 0


class _Work(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    seconds: float = Field(ge=0)
    model_calls: int = Field(ge=0)


class _Clock(RootModel[dict[str, _Work]]):
    """The work of every gate by its name."""


def read_gate_work(folder: Path) -> dict[str, GateWork]:
    """The work of the gates in the run at `folder`, where it was kept. Raises StoreError."""
    path = folder / GATES_CLOCK
    if not path.exists():
        return {}
    with store_errors(path):
        said = path.read_bytes()
    try:
        found = _Clock.model_validate_json(said).root
    except ValidationError as exc:
        raise StoreError(f"{path} does not say what the work of gates has cost") from exc
    return {gate: GateWork(work.seconds, work.model_calls) for gate, work in found.items()}


def add_gate_work(folder: Path, gate: str, seconds: float, model_calls: int) -> None:
    """Adds to the work of a gate in the run at `folder`."""
    work = read_gate_work(folder)
    before = work.get(gate, GateWork())
    work[gate] = GateWork(before.seconds + seconds, before.model_calls + model_calls)
    write_bytes(folder / GATES_CLOCK, orjson.dumps({name: asdict(done) for name, done in work.items()}))
