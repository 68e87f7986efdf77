"""The new gate file against the gates that judged: which parameters differ, and who can apply them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.errors import ConfigError
from synth_stack.inputs.gate_file import GateUse, load_gates
from synth_stack.registry import bind, registered
from synth_stack.runs.folder import list_amended
from synth_stack.runs.locks import GateLock, without_folders

Params = Mapping[str, Any]

Change = tuple[str, Any, Any]
"""A dotted parameter, what it was and what it becomes."""

_EXAMINED = "contamination"
"""The gate to which `--against` and a recipe add eval sets (config.load_gates)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A gate that judged, and the parameters under which it decides again.

    `changes` is empty where they are the old ones. `kept_sets` are eval sets that the new file does not
    name and that count all the same. `counts_canaries` is False where the new file asks for none. `mend` is
    the way to what cannot be decided again.
    """

    lock: GateLock
    params: Params
    changes: tuple[Change, ...]
    redecide: Callable[..., Any] | None
    min_recall: float
    counts_canaries: bool
    kept_sets: tuple[str, ...]
    mend: str

    @property
    def name(self) -> str:
        """The name of the gate."""
        return self.lock.use

    @property
    def strict(self) -> bool | None:
        """Whether it rejects above its threshold and not at it; None where its facts say neither."""
        rule = str(self.lock.facts.get("reject_when"))
        if rule.startswith("score >= threshold"):
            return False
        return True if rule.startswith("score > threshold") else None

    def find_parameters(self, value: float) -> list[str]:
        """The dotted parameters that hold this number."""
        return [
            name for name, held in _list_leaves(self.params) if type(held) in {int, float} and held == value
        ]

    def move(self, parameter: str, value: float) -> "Step":
        """The same gate with another value of one dotted parameter."""
        return replace(self, params=_replaced(self.params, parameter.split("."), value))


def plan_steps(run: Path, path: str | Path, judged: Sequence[GateLock]) -> tuple[Step, ...]:
    """The gates of the file at `path` in the order of work, each beside itself in the run.

    Paths are compared by file name, as the lock records them. A gate of the run that the file leaves out is
    left out. Raises ConfigError for a file that cannot be used, and for one that asks for what stored scores
    do not hold: another gate, another order, another version, a parameter that no `redecide` applies, the
    loss of a gate that replaced rows.
    """
    mend = f"Judge the rows again: `synth-stack curate {run} --gates {path} --out DIR`."
    locks = {lock.use: lock for lock in judged}
    uses = load_gates(path).gates
    steps = []
    for number, use in enumerate(uses):
        where = f"{path}: gates[{number}]"
        lock = locks.get(use.use)
        bound = bind("gate", use.use, use.params, where=where)
        if lock is None:
            raise ConfigError(f"{where}: {use.use} has not judged {run}", allowed=", ".join(locks), mend=mend)
        if bound.version != lock.version:
            raise ConfigError(
                f"{where}: {use.use} is not the version that judged {run}",
                seen=f"version {bound.version}",
                allowed=f"version {lock.version}",
                mend=mend,
            )
        steps.append(_plan_step(use, lock, without_folders(bound.params), where, mend))
    wanted = [name for name in locks if name in {use.use for use in uses}]
    if [step.name for step in steps] != wanted:
        raise ConfigError(
            f"{path}: the gates do not stand in the order in which they judged {run}",
            seen=", ".join(step.name for step in steps),
            allowed=", ".join(wanted),
            mend=mend,
        )
    if judged[0].use not in wanted and list_amended(run / "candidates"):
        raise ConfigError(
            f"{path}: {judged[0].use} replaced rows of {run}, so it cannot be left out",
            seen=", ".join(wanted),
            mend=mend,
        )
    return tuple(steps)


def _plan_step(use: GateUse, lock: GateLock, params: Params, where: str, mend: str) -> Step:
    params, kept_sets = _keep_eval_sets(lock, params)
    changes = tuple(_list_changes(lock.params, params))
    redecide = registered("gate")[lock.use].redecide
    if changes and redecide is None:
        parameter, old, new = changes[0]
        raise ConfigError(
            f"{where}: {lock.use}.{parameter} cannot change without judging the rows again",
            seen=repr(new),
            allowed=repr(old),
            mend=mend,
        )
    min_recall = lock.min_recall if use.min_recall is None else use.min_recall
    return Step(lock, params, changes, redecide, min_recall, use.canaries > 0, kept_sets, mend)


def _keep_eval_sets(lock: GateLock, new: Params) -> tuple[Params, tuple[str, ...]]:
    """The new parameters with the eval sets of the run, and the names of those that the file leaves out.

    `--against` and the recipe's `eval_sets` add sets that no gate file names, so a file cannot take a set
    away: its matches stand among the verdicts. A file that names a set that was not there keeps its own
    list, which then differs.
    """
    if lock.use != _EXAMINED:
        return new, ()
    before, named = lock.params["against"], new["against"]
    if not all(each in before for each in named):
        return new, ()
    return {**new, "against": before}, tuple(each["name"] for each in before if each not in named)


def _list_leaves(params: Params, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, dict):
            yield from _list_leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _replaced(params: Params, path: Sequence[str], value: float) -> Params:
    key, *rest = path
    if rest:
        return {**params, key: _replaced(params[key], rest, value)}
    whole = isinstance(params[key], int) and value.is_integer()
    return {**params, key: int(value) if whole else value}


def _list_changes(old: Params, new: Params, prefix: str = "") -> Iterator[Change]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _list_changes(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}", before, after
