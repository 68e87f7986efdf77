"""What a replay says: plain values, one table of changed rows, and all of it as JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.decisions.replay.gate_changes import Change
from synth_stack.decisions.replay.outcomes import Point
from synth_stack.runs.self_tests import SelfTest

REPLAY_SCHEME = "synth_stack/replay/v2"

CHANGED_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("before", pa.string(), nullable=False),
        pa.field("gate_before", pa.string()),
        pa.field("reason_before", pa.string()),
        pa.field("reason_class_before", pa.string()),
        pa.field("after", pa.string(), nullable=False),
        pa.field("gate", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("reason_class", pa.string()),
    ]
)
"""One line per row whose decision changes, in the order of the run: accepted, rejected or held before; also
undecided after. `gate`, `reason` and `reason_class` say what it rests on now: for an undecided row, the
first gate that never scored it."""


@dataclass(frozen=True, slots=True)
class GateReplay:
    """One gate before and after: the parameters that change, the rows that it decides, and its self-test.

    `before` and `after` count the rows that it decides; undecided ones wait for it, since it never scored
    them. The self-tests are of the rows that the run planted. A gate that now fails holds the batch if it
    failed before, or if its parameters are the old ones.
    """

    gate: str
    changes: tuple[Change, ...]
    before: dict[str, int]
    after: dict[str, int]
    self_test_before: SelfTest
    self_test: SelfTest


@dataclass(frozen=True, slots=True)
class Curve:
    """The yield of a gate over its threshold, ascending, all other gates as they now stand.

    `parameter` is the dotted name of the threshold in the gate file, `threshold` where it now stands, and
    `rejects` (>, >= or <) on which side of it a score turns a row away. That a gate is blind is left out of
    account: `caught` of the `planted` canaries stands at each point.
    """

    gate: str
    parameter: str
    threshold: float
    rejects: str
    planted: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """What another gate file would do with a judged run.

    `before` and `after` count its rows by decision. `changed` has CHANGED_SCHEMA. `caveats` are sentences on
    what stored scores do not show.
    """

    folder: Path
    before: dict[str, int]
    after: dict[str, int]
    gates: tuple[GateReplay, ...]
    changed: pa.Table
    curves: tuple[Curve, ...]
    caveats: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values, every changed row included."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain |= {"scheme": REPLAY_SCHEME, "folder": str(self.folder), "changed": self.changed.to_pylist()}
        value: dict[str, Any] = orjson.loads(orjson.dumps(plain))
        return value
