"""Decides stored verdicts again by the dials of a judge, as the contract of gates/gate.py has it. For tests."""

import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.gate import Dial

_CROSSES = {">": operator.gt, ">=": operator.ge, "<": operator.lt}
_GRAVITY = {"accept": 0, "hold": 1, "reject": 2}


def decide_again(
    verdicts: pa.Table, dials: Sequence[Dial], params: Mapping[str, Any], old: Mapping[str, Any]
) -> list[str]:
    """The outcome of each verdict under `params`, from what was stored under `old`."""
    return [_decide(verdict, dials, params, old) for verdict in verdicts.to_pylist()]


def _decide(
    verdict: Mapping[str, Any], dials: Sequence[Dial], params: Mapping[str, Any], old: Mapping[str, Any]
) -> str:
    stored, named = str(verdict["outcome"]), verdict["reason_class"]
    own = next((dial for dial in dials if named in dial.classes), None)
    if stored == "abstain":
        return stored
    said = []
    for dial in dials:
        score, bar = _read_score(verdict, dial), _find(params, dial.parameter) or dial.threshold
        if score is None or not _CROSSES[dial.rejects](score, bar):
            continue
        word, before = (_find(given, dial.outcome) or dial.outcome for given in (params, old))
        said.append(stored if dial is own and word == before else {"ignore": "accept"}.get(word, word))
    if named is not None and own is None:
        said.append(stored)
    return max(said, key=_GRAVITY.__getitem__, default="accept")


def _read_score(verdict: Mapping[str, Any], dial: Dial) -> float | None:
    stored = verdict if dial.score == "score" else json.loads(verdict["evidence"] or "{}")
    score: float | None = _find(stored, dial.score)
    return score


def _find(value: Any, dotted: str | None) -> Any:
    for key in dotted.split(".") if dotted else ["?"]:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
