"""Verdicts row by row: the table has what was said, in the order of the rows."""

from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.rows.schemas import VERDICT_SCHEMA
from tests.rows.code_rows import code_row, table_of


def test_each_row_has_what_was_said_of_it() -> None:
    table = table_of(code_row(draw=0), code_row(draw=1))
    said = [RowVerdict("accept", 0.5), RowVerdict("reject", 0.1, "far off", "gate.far", "{}")]
    made = write_row_verdicts(table, "gate", said, threshold=0.2)
    assert made.schema == VERDICT_SCHEMA
    assert made["row_id"].to_pylist() == table["row_id"].to_pylist()
    for name in RowVerdict._fields:
        assert made[name].to_pylist() == [getattr(each, name) for each in said]
    assert set(made["threshold"].to_pylist()) == {0.2}
