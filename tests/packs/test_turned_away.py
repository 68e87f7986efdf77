from typing import Any

import pyarrow as pa
import pytest

from synth_stack.errors import VerificationError
from synth_stack.files import read_table
from synth_stack.packs.turned_away import TURNED_SCHEMA, TurnedTally, compare_turned, select_turned
from synth_stack.runs.folder import list_parts
from tests.packs.judged_run import HELD, REJECTED, build_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[pa.Table, pa.Table]:
    """The rows of a run, and the decision on each."""
    folder = build_run(tmp_path_factory.mktemp("turned") / "run")
    rows = pa.concat_tables(read_table(path) for path in list_parts(folder / "candidates"))
    return rows, read_table(folder / "decisions.parquet")


@pytest.mark.parametrize(("decision", "draws"), [("rejected", REJECTED), ("held", HELD)])
def test_the_rows_of_one_decision_and_why_they_went(
    run: tuple[pa.Table, pa.Table], decision: str, draws: tuple[int, ...]
) -> None:
    rows, decisions = run
    turned = select_turned(rows, decisions, decision)
    assert turned.schema.equals(TURNED_SCHEMA)
    assert turned["row_id"].to_pylist() == [rows["row_id"][draw].as_py() for draw in draws]
    assert None not in turned["gate"].to_pylist()


def test_counts_do_not_depend_on_how_rows_come(run: tuple[pa.Table, pa.Table]) -> None:
    turned = select_turned(*run, "rejected")
    whole, pieces = TurnedTally(), TurnedTally()
    whole.add_rows(turned, "rejected")
    for place in reversed(range(len(turned))):
        pieces.add_rows(turned.slice(place, 1), "rejected")
    assert whole.finish() == pieces.finish()
    assert [(split.name, split.rows) for split in whole.finish()] == [("rejected", len(REJECTED))]
    assert TurnedTally().finish() == ()


def test_a_row_that_says_otherwise_than_its_record_is_named(run: tuple[pa.Table, pa.Table]) -> None:
    row = select_turned(*run, "rejected").to_pylist()[0]
    record: dict[str, Any] = {**row, "origin": row, "decision": row}
    compare_turned("log/x", [*row.values()], record)
    with pytest.raises(
        VerificationError, match=f"log/x: the reason of row {row['row_id']} is not the signed"
    ):
        compare_turned("log/x", [*{**row, "reason": "another"}.values()], record)
