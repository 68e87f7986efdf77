"""A configuration of NeMo Curator as a gate file: what its runner would do with each stage, a gate does here.

    stages:                                    workflow:
      - {_target_: ...JsonlReader, ...}          - {_target_: ...CurateWorkflow, gates: standard.yaml, ...}
      - {_target_: ...ScoreFilter, ...}
      - {_target_: ...GateStage, gate: ...}
      - {_target_: ...JsonlWriter, ...}

Nothing that is named in it is imported or called: only the targets below and those that a gate stands for are
understood. Where rows come from and go to is said by whoever calls, so readers and writers are passed over.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError
from synth_stack.registry import make_absolute, registered

GATE_STAGE = "synth_stack.engines.nemo.GateStage"
WORKFLOW = "synth_stack.workflows.nemo_workflow.CurateWorkflow"

_PASSED_OVER = ("nemo_curator.stages.text.io.reader.", "nemo_curator.stages.text.io.writer.")
_STAGE_KEYS = frozenset({"_target_", "gate", "params", "text_field", "fields", "load"})
_RUNNER_KEYS = frozenset({"keep_rejected", "rejects_path", "by_batch", "name", "resources", "batch_size"})
"""Keys of a GateStage that say what becomes of rows in NeMo's pipeline, where there are no piles."""
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MISSING = "???"


def is_nemo(value: Mapping[str, Any]) -> bool:
    """Whether this is a configuration of NeMo's runner, and no gate file."""
    return not isinstance(value.get("gates"), list) and ("stages" in value or "workflow" in value)


def find_gate_file(value: Mapping[str, Any], file: Path) -> Path | None:
    """The gate file that a `workflow:` of ours names; None for `stages:`. Raises ConfigError."""
    if "workflow" not in value:
        return None
    steps = value["workflow"]
    first = steps[0] if isinstance(steps, list) and len(steps) == 1 else None
    if not isinstance(first, dict) or first.get("_target_") != WORKFLOW:
        raise ConfigError(
            f"{file}: workflow is none that gates can stand for",
            seen=str(first)[:80],
            allowed=f"one workflow, {WORKFLOW}",
            mend="Run it with NeMo Curator's own runner.",
        )
    named = _resolve(first.get("gates"), value, f"{file}: workflow: gates")
    if not isinstance(named, str) or not named or named == _MISSING:
        raise ConfigError(f"{file}: workflow: gates has to name a gate file", seen=repr(named))
    return Path(make_absolute(file.resolve().parent, named))


def read_nemo(value: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The mapping of a gate file that does what the `stages:` do.

    Raises ConfigError for a stage that no gate stands for, a gate that would stand twice, or stages that read
    different columns.
    """
    stages = value["stages"]
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise ConfigError(f"{file}: stages must be a list of mappings with _target_")
    resolved = [_resolve(stage, value, f"{file}: stages[{k}]") for k, stage in enumerate(stages)]
    gates: list[dict[str, Any]] = []
    load: list[str] = []
    maps: list[dict[str, str]] = []
    at = 0
    while at < len(resolved):
        where, stage = f"{file}: stages[{at}]", resolved[at]
        target = str(stage.get("_target_"))
        taken = 1
        if target == GATE_STAGE:
            gates.append(_read_gate(stage, where))
            load += stage.get("load") or []
            maps.append(_read_map(stage))
        elif not target.startswith(_PASSED_OVER):
            name, taken, params = _find_gate(resolved[at:], where)
            gates.append({"use": name, **params})
            maps += [_read_map(each) for each in resolved[at : at + taken]]
        at += taken
    return {"version": 1, "load": load, "gates": gates, "map": _agree(maps, file)}


def _read_gate(stage: Mapping[str, Any], where: str) -> dict[str, Any]:
    strange = sorted(set(stage) - _STAGE_KEYS - _RUNNER_KEYS)
    params = stage.get("params") or {}
    if strange or not isinstance(params, dict) or not isinstance(stage.get("gate"), str):
        raise ConfigError(
            f"{where}: a GateStage names a gate and its params",
            seen=", ".join(strange) or repr(stage.get("gate")),
            allowed=", ".join(sorted(_STAGE_KEYS | _RUNNER_KEYS)),
        )
    return {"use": stage["gate"], **params}


def _find_gate(stages: Sequence[Mapping[str, Any]], where: str) -> tuple[str, int, dict[str, Any]]:
    """The gate that stands for the first of these stages and perhaps more, and its parameters."""
    for name, entry in registered("gate").items():
        if entry.read_stages is not None:
            taken, params = entry.read_stages(stages)
            if taken:
                return name, taken, params
    raise ConfigError(
        f"{where}: no gate stands for this stage",
        seen=str(stages[0].get("_target_")),
        allowed="readers, writers, ScoreFilter with heuristic filters, GateStage",
        mend="Run it with NeMo Curator's own runner, where GateStage works too.",
    )


def _read_map(stage: Mapping[str, Any]) -> dict[str, str]:
    fields = stage.get("fields")
    if isinstance(fields, dict):
        return fields
    text = stage.get("text_field") or "text"
    return {"text": str(text[0] if isinstance(text, list) else text)}


def _agree(maps: Sequence[dict[str, str]], file: Path) -> dict[str, str] | None:
    for each in maps[1:]:
        if each != maps[0]:
            raise ConfigError(
                f"{file}: stages read different columns, and a row is read once",
                seen=f"{maps[0]} and {each}",
                mend="Name the same text_field or fields in all of them.",
            )
    return maps[0] if maps else None


def _resolve(found: Any, top: Mapping[str, Any], where: str) -> Any:
    """A value with `${name}` replaced by what stands at the top of the file."""
    if isinstance(found, dict):
        return {key: _resolve(each, top, where) for key, each in found.items()}
    if isinstance(found, list):
        return [_resolve(each, top, where) for each in found]
    if not isinstance(found, str) or "${" not in found:
        return found
    whole = _REFERENCE.fullmatch(found)
    if whole:
        return _look_up(whole[1], top, where, (dict, list))
    if "${" in _REFERENCE.sub("", found):
        raise ConfigError(f"{where}: only names at the top of the file can be referred to", seen=found)
    return _REFERENCE.sub(lambda each: str(_look_up(each[1], top, where)), found)


def _look_up(name: str, top: Mapping[str, Any], where: str, also: tuple[type, ...] = ()) -> Any:
    if name not in top or not isinstance(top[name], (str, int, float, type(None), *also)):
        raise ConfigError(f"{where}: ${{{name}}} is no value at the top of the file")
    value = top[name]
    if isinstance(value, str) and "${" in value:
        raise ConfigError(f"{where}: ${{{name}}} refers to another name", seen=value)
    return value
