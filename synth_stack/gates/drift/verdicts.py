"""Verdicts on drift: every row of a batch or slice that is beyond the envelope is held."""

from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.gates.drift.envelope import STATISTICS
from synth_stack.gates.drift.outcome import PLANTED
from synth_stack.gates.drift.sampling import Field, read_rows
from synth_stack.gates.gate import State
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA

GATE = "drift"

Group = tuple[str, str]
"""The scope and the name of a group: ("batch", ""), ("slice", "cards"), ("planted", "planted/auc")."""

_Said = dict[str, Any]


def class_of(statistic: str) -> str:
    """The reason class of a statistic."""
    return f"{GATE}.{statistic}"


def write_verdicts(table: pa.Table, state: State, *, field: Field) -> pa.Table:
    """One verdict a row, in order: that of the batch where it is beyond the envelope, else that of its slice.

    Raises GateError before the batch was seen.
    """
    if "effects" not in state:
        raise GateError(f"{GATE} was asked for verdicts before it saw the batch")
    groups: dict[Group, list[dict[str, Any]]] = {}
    for effect in state["effects"].to_pylist():
        groups.setdefault((effect["scope"], effect["name"]), []).append(effect)
    rows = read_rows(table, field)
    said: dict[tuple[Any, ...], _Said] = {}
    verdicts = []
    for row_id, name, planted, text in rows.select("row_id", "slice", "planted", "text").iter_rows():
        key = (name, planted, text is not None)
        if key not in said:
            said[key] = _decide(groups, name, planted=planted, readable=text is not None)
        verdicts.append({"row_id": row_id, **said[key]})
    return pa.Table.from_pylist(verdicts, schema=VERDICT_SCHEMA)


def _decide(
    groups: Mapping[Group, list[dict[str, Any]]], name: str | None, *, planted: bool, readable: bool
) -> _Said:
    if not readable:
        return _abstain("there is no text to read", f"{GATE}.nothing_to_read")
    if planted:
        mine = [("planted", groups.get(("planted", name or ""), []))]
    else:
        mine = [("batch", groups.get(("batch", ""), [])), ("slice", groups.get(("slice", name or ""), []))]
    measured = [effect for _, effects in mine for effect in effects if effect["low"] is not None]
    lacking = {
        f"{scope}:{effect['statistic'] or 'all'}": effect["lacks"]
        for scope, effects in mine
        for effect in effects
        if effect["lacks"] is not None
    }
    if not measured:
        why = "; ".join(dict.fromkeys(lacking.values())) or "its group was not measured"
        return _abstain(f"drift could not be measured: {why}", f"{GATE}.not_measured")
    lows: dict[str, float] = {}
    for effect in measured:
        lows[effect["statistic"]] = max(effect["low"], lows.get(effect["statistic"], 0.0))
    evidence: dict[str, Any] = {"low": lows, **({"unmeasured": lacking} if lacking else {})}
    for scope, effects in mine:
        beyond = [e for e in effects if e["low"] is not None and e["low"] > e["bar"]]
        if beyond:
            return _hold(scope, beyond, evidence)
    worst = max(measured, key=lambda effect: effect["low"] / effect["bar"])
    return {
        "gate": GATE,
        "outcome": "accept",
        "score": worst["low"] / worst["bar"],
        "threshold": 1.0,
        "evidence": canonical_text(evidence),
        "scope": "row",
    }


def _hold(scope: str, beyond: list[dict[str, Any]], evidence: _Said) -> _Said:
    """The hold for the statistic that is furthest beyond its bar; the others are in the evidence."""
    beyond = sorted(beyond, key=lambda effect: -effect["low"] / effect["bar"])
    worst = beyond[0]
    shifts = [
        {
            "statistic": effect["statistic"],
            "probe": STATISTICS[effect["statistic"]],
            "size": effect["size"],
            "low": effect["low"],
            "high": effect["high"],
            "bar": effect["bar"],
        }
        for effect in beyond
    ]
    named = "the batch" if scope == "batch" else f"the slice {worst['name'].removeprefix(PLANTED)}"
    return {
        "gate": GATE,
        "outcome": "hold",
        "score": worst["low"] / worst["bar"],
        "threshold": 1.0,
        "reason": f"{named} has drifted from the baseline: {', '.join(map(_word, beyond[:3]))}",
        "reason_class": class_of(worst["statistic"]),
        "evidence": canonical_text({**evidence, "shifts": shifts, "worst": orjson.loads(worst["evidence"])}),
        "scope": "batch" if scope == "batch" else "slice",
    }


def _word(effect: Mapping[str, Any]) -> str:
    size, low, high, bar = (f"{effect[name]:.3g}" for name in ("size", "low", "high", "bar"))
    return f"{effect['statistic']} {size} (95% interval {low} to {high}, allowed {bar})"


def _abstain(reason: str, reason_class: str) -> _Said:
    return {
        "gate": GATE,
        "outcome": "abstain",
        "reason": reason,
        "reason_class": reason_class,
        "scope": "row",
    }
