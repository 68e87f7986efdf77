"""One table judged as a batch of its own: what a run folder with the same rows says."""

from pathlib import Path

import pyarrow as pa

from synth_stack.engines.batch import judge_batch
from synth_stack.registry import bind, find_entry
from synth_stack.rows.schemas import VERDICT_SCHEMA
from tests.gates.engine_run import read_verdicts, run_gate
from tests.some_rows import make_texts

MAIL = "Write to jane.doe@quickmail.net or call her, she answers every day but Sunday."
PLAIN = [f"Answer number {k} says that item {k * 7} is in stock and ships on day {k}." for k in range(40)]


def test_a_gate_with_rounds_says_what_it_says_in_a_run(tmp_path: Path) -> None:
    table = make_texts([*PLAIN, PLAIN[3], PLAIN[3] + " Indeed."])
    run_gate(tmp_path, "dedup", {}, [table])
    bound = bind("gate", "dedup", {}, where="gate")
    batch = judge_batch("dedup", bound.make(), None, table)
    assert batch.verdicts.equals(read_verdicts(tmp_path, "dedup"))
    assert batch.verdicts["outcome"].to_pylist().count("reject") == 2
    assert batch.replaced == {}


def test_late_holds_stand_in_the_place_of_the_first_verdicts() -> None:
    table = make_texts(
        ["You people are all disgusting and should be driven out of this country.", *PLAIN[:2]]
    )
    slices = pa.array(["a", "a", "b"])
    table = table.set_column(table.schema.get_field_index("slice"), table.schema.field("slice"), slices)
    params = {"scorer": "hate-ngrams", "escalate_min_rows": 2, "escalate_by": "rate"}
    bound = bind("gate", "toxicity", params, where="gate")
    late = find_entry("gate", "toxicity", where="gate").late
    assert late is not None
    batch = judge_batch("toxicity", bound.make(None), late(bound.params), table)
    assert batch.verdicts.schema == VERDICT_SCHEMA
    assert batch.verdicts["row_id"].equals(table["row_id"])
    assert batch.verdicts["outcome"].to_pylist() == ["hold", "hold", "accept"]
    assert batch.verdicts["scope"].to_pylist() == ["row", "slice", "row"]


def test_a_row_that_is_replaced_is_named_by_its_place() -> None:
    table = make_texts([PLAIN[0], MAIL])
    bound = bind("gate", "personal_data", {"kinds": {"email": "redact"}}, where="gate")
    batch = judge_batch("personal_data", bound.make(), None, table)
    assert list(batch.replaced) == [1]
    assert "jane.doe" not in batch.replaced[1]["text"]
    assert "every day but Sunday" in batch.replaced[1]["text"]
