"""How a run records its methods and teacher: by what they name, never by where it lies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth_stack.registry import Bound, find_entry, list_paths, map_paths
from synth_stack.teachers.teacher import Teacher


def record_params(bound: Bound) -> dict[str, Any]:
    """The parameters of a bound generator as the lock records them: no folder of this machine is in them.

    Raises what its own `record` raises, such as InputError for a file that cannot be read.
    """
    entry = find_entry("generator", bound.name, where=f"generator {bound.name}")
    if entry.record is None:
        return dict(bound.recorded)
    recorded = entry.record(bound.params)
    return dict(map_paths(recorded, list_paths(entry.params), lambda path: Path(path).name))


def record_sampling(teacher: Teacher) -> dict[str, str]:
    """The sampling parameters of a teacher as text: a float in a signed record must survive every reader."""
    return {key: repr(value) for key, value in teacher.sampling.items()}


def record_origin(teacher: Teacher, method: str, version: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the last step of a method (ToCandidates) says of every row, as its arguments."""
    return {
        "name": "candidates",
        "method": method,
        "version": version,
        "params": {**params, "sampling": record_sampling(teacher)},
        "teacher": teacher.model_name,
        "teacher_digest": teacher.digest,
        "replayable": teacher.replayable,
    }
