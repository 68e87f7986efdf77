"""What was measured of the gates beside their verdicts: the canaries that each caught, and how often rows
were run against the tests of eval items.

The canaries are in no pack, nor is the evidence that says of the runs, so nobody can count them again there:
these counts are what the packer signed. What can be checked is checked: against gates.yaml here, card and
statement against them (statements.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth_stack.errors import VerificationError
from synth_stack.packs import layout
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.canary_recall import CanaryRecall, KindCount, measure_recall
from synth_stack.runs.locks import GateLock

MEASURES_SCHEME = "synth_stack/measures/v1"
MAX_MEASURES_BYTES = 1024**2
"""A gate has some tens of kinds of canaries, of some tens of bytes each."""

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Trials:
    """How often a function of a row was run against the tests of an eval item, and how often it was not for
    want of runs.
    """

    tried: int = 0
    untried: int = 0

    def __add__(self, other: "Trials") -> "Trials":
        return Trials(self.tried + other.tried, self.untried + other.untried)


@dataclass(frozen=True, slots=True)
class Measures:
    """The recall of each gate that plants canaries, and the trials of each gate that has eval sets, both in
    the order of work.
    """

    recalls: tuple[CanaryRecall, ...] = ()
    trials: Mapping[str, Trials] = field(default_factory=dict)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Kind(_Strict):
    canary: str
    planted: Count
    caught: Count


class _Trials(_Strict):
    tried: Count
    untried: Count


class _Gate(_Strict):
    gate: str
    canaries: list[_Kind] | None
    trials: _Trials | None


class _File(_Strict):
    scheme: Literal["synth_stack/measures/v1"]
    gates: list[_Gate]


def count_trials(verdicts: pa.Table, gate: str) -> Trials:
    """The trials that the evidence of a gate's verdicts counts, as `tried` and `untried`."""
    import polars as pl

    told = pc.and_(pc.equal(verdicts["gate"], gate), pc.match_substring(verdicts["evidence"], '"tried":'))
    evidence = pl.Series(pl.from_arrow(verdicts.filter(told)["evidence"]), dtype=pl.String)

    def add(name: str) -> int:
        return int(evidence.str.json_path_match(f"$.{name}").cast(pl.Int64, strict=False).sum() or 0)

    return Trials(add("tried"), add("untried"))


def render_measures(measures: Measures, gates: Sequence[GateLock]) -> bytes:
    """log/gates.json as canonical JSON: the gates that were measured, in the order of work."""
    recalls = {found.gate: found for found in measures.recalls}
    entries = [
        {
            "gate": gate.use,
            "canaries": _list_kinds(recalls[gate.use]) if gate.use in recalls else None,
            "trials": _describe_trials(measures.trials[gate.use]) if gate.use in measures.trials else None,
        }
        for gate in gates
        if gate.canaries or gate.eval_sets
    ]
    return canonical_json({"scheme": MEASURES_SCHEME, "gates": entries}) + b"\n"


def parse_measures(data: bytes, gates: Sequence[GateLock]) -> Measures:
    """The measures in `data`, each recall with the bar that `gates` states.

    Raises VerificationError for what `render_measures` does not write of these gates, for more canaries than
    they were asked for, and for a blind gate: no pack is made of its batch.
    """
    try:
        value = _File.model_validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise VerificationError(f"{layout.MEASURES}: {first['msg']}", seen=place) from exc
    locks = {gate.use: gate for gate in gates}
    found = [entry for entry in value.gates if entry.gate in locks]
    measures = Measures(
        tuple(_check_canaries(e.canaries, locks[e.gate]) for e in found if e.canaries is not None),
        {e.gate: Trials(e.trials.tried, e.trials.untried) for e in found if e.trials is not None},
    )
    for name, stated, expected in (
        ("canaries", [r.gate for r in measures.recalls], [gate.use for gate in gates if gate.canaries]),
        ("eval sets", list(measures.trials), [gate.use for gate in gates if gate.eval_sets]),
    ):
        if stated != expected:
            raise VerificationError(
                f"{layout.MEASURES} is not of the gates with {name}",
                seen=", ".join(stated) or "none",
                allowed=", ".join(expected) or "none",
            )
    if render_measures(measures, gates) != data:
        raise VerificationError(f"{layout.MEASURES} is not as this package writes it, in canonical JSON")
    return measures


def _list_kinds(found: CanaryRecall) -> list[dict[str, str | int]]:
    return [{"canary": kind.canary, "planted": kind.planted, "caught": kind.caught} for kind in found.kinds]


def _describe_trials(trials: Trials) -> dict[str, int]:
    return {"tried": trials.tried, "untried": trials.untried}


def _check_canaries(stated: Sequence[_Kind], lock: GateLock) -> CanaryRecall:
    for kind in stated:
        if kind.caught > kind.planted:
            raise VerificationError(
                f"{layout.MEASURES}: {lock.use} caught more canaries than were planted",
                seen=kind.caught,
                allowed=f"at most {kind.planted}",
            )
    kinds = (KindCount(kind.canary, kind.planted, kind.caught) for kind in stated)
    found = measure_recall(lock.use, kinds, min_recall=lock.min_recall)
    if found.planted > lock.canaries:
        raise VerificationError(
            f"{layout.MEASURES}: {lock.use} has more canaries than it was asked for",
            seen=found.planted,
            allowed=f"at most {lock.canaries}",
        )
    if found.blind:
        raise VerificationError(f"{layout.MEASURES}: a blind gate, and yet a pack: {found.describe()}")
    return found
