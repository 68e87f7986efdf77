"""What was measured of the gates beside their verdicts: their self-tests, and what each counted.

Canaries and controls are in no pack, nor is the evidence with the counts, so they cannot be counted again
there: these numbers are what the packer signed. What can be checked is checked: against gates.yaml here, card
and statement against them (verify/recount.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth_stack.errors import GateError, VerificationError
from synth_stack.packs import layout
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.locks import GateLock
from synth_stack.runs.self_tests import KindCount, SelfTest, describe_failed, measure

MEASURES_SCHEME = "synth_stack/measures/v3"
MAX_MEASURES_BYTES = 16 * 1024**2
"""A gate has at most some hundred kinds of canaries and controls, of some hundred bytes each."""
MAX_COUNTS = 100
"""Things that one gate counts; the card has a line for each of them."""
MAX_COUNT = 2**53 - 1
"""The largest whole number that canonical JSON can hold."""

Whole = Annotated[int, Field(ge=0, le=MAX_COUNT)]
CountName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Measures:
    """In the order of work: the self-test of each gate that plants rows, and what each counted by name."""

    self_tests: tuple[SelfTest, ...] = ()
    counts: Mapping[str, Counts] = field(default_factory=dict)


class _MeasuresModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _KindEntry(_MeasuresModel):
    kind: str
    planted: Annotated[int, Field(ge=1, le=MAX_COUNT)]
    turned_away: Whole


class _SelfTestEntry(_MeasuresModel):
    canaries: list[_KindEntry]
    controls: list[_KindEntry]


class _GateEntry(_MeasuresModel):
    gate: str
    self_test: _SelfTestEntry | None
    counts: dict[CountName, Whole]


class _MeasuresFile(_MeasuresModel):
    scheme: Literal["synth_stack/measures/v3"]
    gates: list[_GateEntry]


class _Evidence(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")
    counts: dict[CountName, Whole] | None = None


def add_counts(counts: dict[str, Counter[str]], verdicts: pa.Table) -> None:
    """Adds to `counts`, by gate and name, what the evidence of verdicts counts under `counts`.

    Raises GateError for evidence in which that is no mapping of whole numbers by names in snake case, and
    for a gate that counts more than MAX_COUNTS things.
    """
    told = verdicts.filter(pc.match_substring(verdicts["evidence"], '"counts":'))
    for gate, evidence in zip(told["gate"].to_pylist(), told["evidence"].to_pylist(), strict=True):
        try:
            counted = _Evidence.model_validate_json(evidence).counts
        except ValidationError as exc:
            raise GateError(f"gate {gate} counted something that is no whole number", seen=evidence) from exc
        if counted is None:
            continue
        sums = counts.setdefault(gate, Counter())
        sums.update(counted)
        if len(sums) > MAX_COUNTS or max(sums.values(), default=0) > MAX_COUNT:
            raise GateError(f"gate {gate} counted more than a pack can hold", seen=len(sums))


def render_measures(measures: Measures, gates: Sequence[GateLock]) -> bytes:
    """log/gates.json as canonical JSON: the gates that were measured, in the order of work."""
    tests = {test.gate: test for test in measures.self_tests}
    entries = [
        {
            "gate": gate.use,
            "self_test": _list_kinds(tests[gate.use]) if gate.use in tests else None,
            "counts": dict(measures.counts.get(gate.use, {})),
        }
        for gate in gates
        if gate.use in tests or measures.counts.get(gate.use)
    ]
    return canonical_json({"scheme": MEASURES_SCHEME, "gates": entries}) + b"\n"


def parse_measures(data: bytes, gates: Sequence[GateLock], judged: Mapping[str, int]) -> Measures:
    """The measures in `data`, each kind with the bar that `gates` states.

    Raises VerificationError for what `render_measures` does not write of these gates, for more planted rows
    than they were asked for, for none by a gate that was asked for some and `judged` rows by its name, and
    for a gate that failed its self-test: no pack is made of its batch.
    """
    try:
        value = _MeasuresFile.model_validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise VerificationError(f"{layout.MEASURES}: {first['msg']}", seen=place) from exc
    entries = {entry.gate: entry for entry in value.gates}
    measures = Measures(
        tuple(_check_self_test(entries.get(gate.use), gate) for gate in gates if gate.canaries),
        {entry.gate: entry.counts for entry in value.gates if entry.counts},
    )
    require_planted(measures.self_tests, gates, judged, where=layout.MEASURES)
    if render_measures(measures, gates) != data:
        raise VerificationError(
            f"{layout.MEASURES} is not what this package writes of the gates in {layout.GATES}"
        )
    return measures


def require_planted(
    tests: Iterable[SelfTest], gates: Sequence[GateLock], judged: Mapping[str, int], *, where: str
) -> None:
    """Raises VerificationError, starting with `where`, for a gate that was asked for canaries, `judged` so
    many rows of the batch and planted none: what it misses is not known.
    """
    asked = {gate.use: gate.canaries for gate in gates}
    for test in tests:
        if not test.planted + test.innocent and judged.get(test.gate):
            raise VerificationError(
                f"{where}: {test.gate} judged {judged[test.gate]} rows and planted none",
                seen=0,
                allowed=f"up to {asked[test.gate]} of each kind",
            )


def _list_kinds(test: SelfTest) -> dict[str, list[dict[str, str | int]]]:
    canaries = [(kind.kind, kind.planted, kind.caught) for kind in test.canaries]
    controls = [(kind.kind, kind.planted, kind.turned_away) for kind in test.controls]
    return {"canaries": _list_counts(canaries), "controls": _list_counts(controls)}


def _list_counts(kinds: Iterable[tuple[str, int, int]]) -> list[dict[str, str | int]]:
    return [{"kind": kind, "planted": planted, "turned_away": away} for kind, planted, away in kinds]


def _check_self_test(entry: _GateEntry | None, lock: GateLock) -> SelfTest:
    if entry is None or entry.self_test is None:
        raise VerificationError(f"{layout.MEASURES} does not say how {lock.use} did in its self-test")
    sorts = ((entry.self_test.canaries, False), (entry.self_test.controls, True))
    kinds = [
        KindCount(kind.kind, kind.planted, kind.turned_away, control)
        for listed, control in sorts
        for kind in listed
    ]
    for listed, _ in sorts:
        names = [kind.kind for kind in listed]
        if "" in names or len({*names}) < len(names):
            raise VerificationError(f"{layout.MEASURES}: a kind of {lock.use} is none, or stands there twice")
    for kind in kinds:
        if kind.turned_away > kind.planted:
            raise VerificationError(
                f"{layout.MEASURES}: {lock.use} turned away more rows than were planted",
                seen=kind.turned_away,
                allowed=f"at most {kind.planted}",
            )
        if kind.planted > lock.canaries:
            raise VerificationError(
                f"{layout.MEASURES}: {lock.use} has more rows of a kind than it was asked for",
                seen=kind.planted,
                allowed=f"at most {lock.canaries}",
            )
    found = measure(lock.use, kinds, lock.asked)
    if found.failed:
        raise VerificationError(f"{layout.MEASURES}: {describe_failed([found])}, and yet there is a pack")
    return found
