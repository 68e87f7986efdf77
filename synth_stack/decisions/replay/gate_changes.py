"""The new gate file against the gates that judged: which parameters differ, and which dials they turn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.decisions.replay.outcomes import HELD, PASSED, REJECTED
from synth_stack.errors import ConfigError, StoreError
from synth_stack.gates.gate import Late
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.gate_file import GateUse, load_gates
from synth_stack.registry import Bound, Entry, bind, find_entry
from synth_stack.runs.amended import list_made_by
from synth_stack.runs.folder import GATES_LOCK
from synth_stack.runs.locks import DialLock, GateLock
from synth_stack.runs.self_tests import SelfTestBars

Params = Mapping[str, Any]

Change = tuple[str, Any, Any]
"""A dotted parameter, what it was and what it becomes."""

_STRENGTH = {"ignore": PASSED, "hold": HELD, "reject": REJECTED}
"""What a dial may do with a row: anything else (a redaction, say) needs the row itself."""


@dataclass(frozen=True, slots=True)
class DialSetting:
    """A dial of a gate, where it stands, and what becomes of a row beyond it."""

    dial: DialLock
    threshold: float
    action: str

    @property
    def strength(self) -> int:
        """What the gate says of a row beyond it; what replaces a row rejects it."""
        return _STRENGTH.get(self.action, REJECTED)


@dataclass(frozen=True, slots=True)
class GateChange:
    """A gate that judged, and the parameters under which it decides again.

    `changes` is empty where they are the old ones. `before` and `after` are its dials, in their order; `late`
    is what it says under the new parameters once all rows are judged. `kept_sets` are eval sets that the new
    file does not name and that count all the same. `counts_canaries` is False where it asks for no canaries.
    """

    lock: GateLock
    params: Params
    changes: tuple[Change, ...]
    before: tuple[DialSetting, ...]
    after: tuple[DialSetting, ...]
    late: Late | None
    asked: SelfTestBars
    counts_canaries: bool
    kept_sets: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the gate."""
        return self.lock.use

    def allows(self, dial: DialLock, threshold: float) -> bool:
        """Whether a dial can be turned so far: the gate takes the number, and scores were stored for it."""
        params = dict(_flatten(self.lock.params))
        if dial.parameter is None or _find_fault(self.lock, params, dial.parameter, threshold) is not None:
            return False
        try:
            bind("gate", self.name, _move(self.params, dial.parameter.split("."), threshold), where=self.name)
        except ConfigError:
            return False
        return True


def plan_changes(run: Path, path: str | Path, judged: Sequence[GateLock]) -> tuple[GateChange, ...]:
    """The gates of the file at `path` in the order of work, each beside itself in the run; none is made.

    Paths are compared by file name, as the lock records them. A gate of the run that the file leaves out is
    left out. Raises ConfigError for a file that cannot be used, and for one that asks for what stored scores
    do not hold: another gate, order or version, a parameter that is no dial, the loss of a gate that replaced
    rows.
    """
    mend = f"Judge the rows again: `synth-stack curate {run} --gates {path} --out DIR`."
    file = load_gates(path)
    load_extensions(file.load, folder=file.folder)
    locks = {lock.use: lock for lock in judged}
    changes = []
    for number, use in enumerate(file.gates):
        where = f"{file.name}: gates[{number}]"
        bound = bind("gate", use.use, use.params, where=where, folder=file.folder)
        lock = locks.get(use.use)
        if lock is None:
            raise ConfigError(f"{where}: {use.use} has not judged {run}", allowed=", ".join(locks), mend=mend)
        if bound.version != lock.version:
            raise ConfigError(
                f"{where}: {use.use} is not the version that judged {run}",
                seen=f"version {bound.version}",
                allowed=f"version {lock.version}",
                mend=mend,
            )
        changes.append(_plan_gate(use, lock, bound, where, mend))
    names = [change.name for change in changes]
    wanted = [name for name in locks if name in names]
    if names != wanted:
        raise ConfigError(
            f"{path}: the gates do not stand in the order in which they judged {run}",
            seen=", ".join(names),
            allowed=", ".join(wanted),
            mend=mend,
        )
    _require_amender(run, names, judged)
    return tuple(changes)


def plan_as_judged(judged: Sequence[GateLock]) -> tuple[GateChange, ...]:
    """The gates of a run, each under the parameters with which it judged."""
    changes = []
    for lock in judged:
        entry = find_entry("gate", lock.use, where=lock.use)
        standing = tuple(_set(dial, dict(_flatten(lock.params)), {}) for dial in lock.dials)
        changes.append(
            GateChange(
                lock=lock,
                params=lock.params,
                changes=(),
                before=standing,
                after=standing,
                late=_read_late(entry, lock),
                asked=lock.asked,
                counts_canaries=lock.canaries > 0,
                kept_sets=(),
            )
        )
    return tuple(changes)


def _read_late(entry: Entry, lock: GateLock) -> Late | None:
    """What a gate says late under the parameters of its lock, which is a file that anybody may have written.

    Raises StoreError for parameters that are none of the gate's.
    """
    try:
        return entry.late(lock.params) if entry.late else None
    except (KeyError, TypeError, ValueError) as exc:
        raise StoreError(
            f"{GATES_LOCK}: the parameters of {lock.use} are not those of version {lock.version}: {exc!r}"
        ) from exc


def leave_out(
    run: Path, changes: Sequence[GateChange], judged: Sequence[GateLock], without: Sequence[str]
) -> tuple[GateChange, ...]:
    """The changes without the gates of these names. Raises ConfigError for one that did not judge the run,
    and where none is left.
    """
    names = [lock.use for lock in judged]
    for name in without:
        if name not in names:
            raise ConfigError(f"{name} has not judged {run}", allowed=", ".join(names))
    kept = tuple(change for change in changes if change.name not in without)
    if not kept:
        raise ConfigError(f"no gate of {run} is left to decide", seen=", ".join(without))
    _require_amender(run, [change.name for change in kept], judged)
    return kept


def _require_amender(run: Path, names: Sequence[str], judged: Sequence[GateLock]) -> None:
    for number, lock in enumerate(judged):
        if lock.use not in names and list_made_by(run / "candidates", number):
            raise ConfigError(
                f"{lock.use} replaced rows of {run}, so it cannot be left out",
                mend="Judge the rows again with `synth-stack curate` under a gate file without it.",
            )


def _plan_gate(use: GateUse, lock: GateLock, bound: Bound, where: str, mend: str) -> GateChange:
    entry = find_entry("gate", lock.use, where=where)
    recorded, kept_sets = _keep_eval_sets(entry, lock.params, bound.recorded)
    old, new = dict(_flatten(lock.params)), dict(_flatten(recorded))
    changes = [(n, old.get(n), new.get(n)) for n in sorted({*old, *new}) if old.get(n) != new.get(n)]
    for name, was, becomes in changes:
        late = any(name == known or name.startswith(f"{known}.") for known in entry.late_parameters)
        fault = None if late else _find_fault(lock, old, name, becomes)
        if fault is not None:
            what = f"{where}: {lock.use}.{name} cannot change {fault}"
            raise ConfigError(what, seen=repr(becomes), allowed=repr(was), mend=mend)
    turned = {name: becomes for name, _, becomes in changes}
    return GateChange(
        lock=lock,
        params=bound.params,
        changes=tuple(changes),
        before=tuple(_set(dial, old, {}) for dial in lock.dials),
        after=tuple(_set(dial, new, turned) for dial in lock.dials),
        late=entry.late(bound.params) if entry.late else None,
        asked=_ask(use, lock),
        counts_canaries=use.canaries > 0,
        kept_sets=kept_sets,
    )


def _ask(use: GateUse, lock: GateLock) -> SelfTestBars:
    asked = lock.asked
    if use.min_recall is not None:
        asked = replace(asked, min_recall=use.min_recall, by_kind={})
    return asked if use.max_unfair is None else replace(asked, max_unfair=use.max_unfair)


def _find_fault(lock: GateLock, params: Params, name: str, value: Any) -> str | None:
    """Why stored scores do not show what a gate does with a parameter at this value; None where they do."""
    if any(dial.outcome == name for dial in lock.dials):
        is_known = value in tuple(_STRENGTH) and params.get(name) in tuple(_STRENGTH)
        return None if is_known else "without judging the rows again"
    dials = [dial for dial in lock.dials if dial.parameter == name]
    if not dials or type(value) not in {int, float}:
        return "without judging the rows again"
    for dial in dials:
        if dial.fixed_by is not None and params.get(dial.fixed_by):
            return f"while {dial.fixed_by} is set"
        if dial.lowest is not None and value < float(dial.lowest):
            return f"to below {float(dial.lowest):g}, where no scores were stored"
    return None


def _set(dial: DialLock, params: Params, turned: Params) -> DialSetting:
    """A dial under dotted `params`; those that are `turned` say where it stands now."""
    action = dial.outcome if dial.outcome in _STRENGTH else str(params.get(dial.outcome))
    return DialSetting(dial, float(turned.get(dial.parameter or "", dial.threshold)), action)


def _keep_eval_sets(entry: Entry, old: Params, new: Params) -> tuple[Params, tuple[str, ...]]:
    """The new parameters with the eval sets of the run, and the names of those that the file leaves out.

    `--against` and the recipe's `eval_sets` add sets that no gate file names, so a file cannot take a set
    away: its matches stand among the verdicts. A file that names a set that was not there keeps its own
    list, which then differs.
    """
    before, named = (params.get(entry.eval_sets or "") or [] for params in (old, new))
    if entry.eval_sets is None or not all(each in before for each in named):
        return new, ()
    left_out = tuple(each["name"] for each in before if each not in named)
    return {**new, entry.eval_sets: before}, left_out


def _flatten(params: Params, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The parameters by their dotted names."""
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _move(params: Params, keys: Sequence[str], value: float) -> Params:
    key, *rest = keys
    old = params.get(key)
    if rest:
        return {**params, key: _move(old if isinstance(old, Mapping) else {}, rest, value)}
    return {**params, key: int(value) if type(old) is int and value.is_integer() else value}
