"""What an engine asks of every table of verdicts."""

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import GateError
from synth_stack.rows.schemas import OUTCOMES, VERDICT_SCHEMA


def check_table(name: str, verdicts: pa.Table) -> None:
    """Raises GateError for what is no table of verdicts."""
    if not verdicts.schema.equals(VERDICT_SCHEMA):
        raise GateError(f"gate {name} did not return a verdict table", seen=str(verdicts.schema.names))
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
