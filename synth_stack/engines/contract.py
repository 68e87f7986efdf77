"""What an engine asks of every table of verdicts."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import GateError
from synth_stack.rows.schemas import OUTCOMES, REASON_CLASS, VERDICT_SCHEMA


def check_table(name: str, verdicts: pa.Table) -> None:
    """Raises GateError for what is no table of verdicts."""
    if not verdicts.schema.equals(VERDICT_SCHEMA):
        raise GateError(f"gate {name} did not return a verdict table", seen=str(verdicts.schema.names))
    classes = pc.unique(verdicts["reason_class"].drop_null()).to_pylist()
    strange = [c for c in classes if not c.startswith(f"{name}.") or not re.match(REASON_CLASS, c)]
    if strange:
        raise GateError(
            f"gate {name} gave a reason_class that is none of its own",
            seen=strange[0],
            allowed=f"{name}.<what>",
        )
    away = verdicts.filter(pc.is_in(verdicts["outcome"], value_set=pa.array(["reject", "hold"])))
    if away["reason_class"].null_count:
        raise GateError(f"gate {name} turned a row away without a reason_class")
    passed = verdicts.filter(pc.equal(verdicts["outcome"], "accept"))
    for column in ("reason_class", "reason"):
        if passed[column].null_count < len(passed):
            raise GateError(
                f"gate {name} accepted a row and gave a {column} against it",
                seen=passed[column].drop_null()[0].as_py(),
                allowed="null; what is worth telling of an accepted row belongs into the evidence",
            )
    unknown = set(pc.unique(verdicts["outcome"]).to_pylist()) - set(OUTCOMES)
    if unknown:
        raise GateError(
            f"gate {name} gave an outcome that is none",
            seen=min(map(str, unknown)),
            allowed=", ".join(OUTCOMES),
        )


def check_verdicts(name: str, table: pa.Table, verdicts: pa.Table) -> None:
    """Raises GateError for anything but one verdict per row of `table`, in its order."""
    check_table(name, verdicts)
    if verdicts["row_id"].to_pylist() != table["row_id"].to_pylist():
        raise GateError(
            f"gate {name} did not return one verdict per row, in order",
            seen=f"{verdicts.num_rows} verdicts for {table.num_rows} rows",
        )


def check_late(name: str, held: pa.Table) -> None:
    """Raises GateError for late verdicts that are anything but holds of a lot, slice or batch."""
    check_table(name, held)
    outcomes, scopes = (set(pc.unique(held[column]).to_pylist()) for column in ("outcome", "scope"))
    if outcomes - {"hold"} or scopes - {"lot", "slice", "batch"}:
        raise GateError(
            f"gate {name} said something late that is no hold of a lot, slice or batch",
            seen=f"{sorted(outcomes)} of {sorted(scopes)}",
        )
