"""Whether decisions follow from verdicts by the rule in gates.yaml, as far as records tell them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.decisions.decide import Rule, decide
from synth_stack.errors import GateError, VerificationError
from synth_stack.packs import layout
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.locks import GatesLock

Record = Mapping[str, Any]

_ROW = pa.schema([CANDIDATE_SCHEMA.field(name) for name in ("row_id", "source_id", "kind", "failure")])
_SAID = ("gate", "outcome", "reason", "reason_class", "scope")


def read_rule(lock: GatesLock) -> Rule:
    """The rule of a gate lock. Raises VerificationError for one that is not of its gates, in their order."""
    gates = [gate.use for gate in lock.gates]
    rule = Rule(tuple(gates), tuple(lock.rule.overriding))
    if lock.rule.model_dump() != rule.to_json():
        raise VerificationError(
            f"{layout.GATES}: its rule is not that of its gates, in the order of work",
            seen=", ".join(lock.rule.order),
            allowed=", ".join(gates),
        )
    return rule


def check_decisions(name: str, records: Sequence[Record], rule: Rule) -> None:
    """Raises VerificationError for the first record whose decision its verdicts do not give.

    The verdicts of each have to stand in the order of work; what the rule does not name comes last.
    """
    rows = [{**record, "source_id": record["origin"]["source_id"]} for record in records]
    verdicts = [
        {
            **{key: verdict[key] for key in _SAID},
            "row_id": record["row_id"],
            "evidence": None if verdict["cites"] is None else canonical_text(verdict["cites"]),
        }
        for record in records
        for verdict in record["verdicts"]
    ]
    said = [pa.Table.from_pylist(verdicts, schema=VERDICT_SCHEMA)]
    try:
        decided = decide(pa.Table.from_pylist(rows, schema=_ROW), said, rule).to_pylist()
    except GateError as exc:
        raise VerificationError(f"{name}: {exc}") from exc
    places = {gate: place for place, gate in enumerate(rule.order)}
    for record, given in zip(records, decided, strict=True):
        order = [places.get(verdict["gate"], len(places)) for verdict in record["verdicts"]]
        if order != sorted(order):
            raise VerificationError(f"{name}: the verdicts on row {record['row_id']} are not in order")
        for key, value in record["decision"].items():
            if value != given[key]:
                raise VerificationError(
                    f"{name}: the {key} of row {record['row_id']} is not what its verdicts give",
                    seen=value,
                    allowed=repr(given[key]),
                )
