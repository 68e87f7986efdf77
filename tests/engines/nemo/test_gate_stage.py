"""A gate as a stage of a NeMo user's pipeline: one batch in, the batch without what is turned away out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError
from synth_stack.files import read_table
from tests.nemo_installed import mark_nemo

if TYPE_CHECKING:
    import pandas as pd

pytestmark = mark_nemo()

ENGLISH = "The tea was good, and we have to thank you for the time that you have spent with us today."
HATE = "You people are all disgusting and should be driven out of this country."
MAIL = "Write to jane.doe@quickmail.net or call her, she answers every day but Sunday."


def run_stage(records: list[dict[str, Any]], /, **keys: Any) -> "pd.DataFrame":
    """What is left of one batch."""
    from nemo_curator.tasks import DocumentBatch

    from synth_stack.engines.nemo import GateStage

    stage = GateStage(**keys)
    stage.setup()
    task = DocumentBatch(dataset_name="test", data=pa.Table.from_pylist(records))
    return stage.process(task).to_pandas()


def test_one_line_takes_away_what_the_gate_turns_away(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [
        {"id": 1, "text": ENGLISH},
        {"id": 2, "text": HATE},
        {"id": 3, "text": None},
    ]
    left = run_stage(records, gate="toxicity", rejects_path=str(tmp_path))
    assert left["id"].tolist() == [1, 3]
    assert list(left.columns) == ["id", "text"]
    [written] = tmp_path.glob("gate_toxicity-*.parquet")
    [row] = read_table(written).to_pylist()
    assert (row["id"], row["text"], row["toxicity_outcome"]) == (2, HATE, "hold")
    assert "hate-ngrams" in row["toxicity_reason"]


def test_what_is_turned_away_can_stay_with_its_verdict() -> None:
    left = run_stage([{"text": ENGLISH}, {"text": HATE}], gate="toxicity", keep_rejected=True)
    assert left["toxicity_outcome"].tolist() == ["accept", "hold"]
    assert left["toxicity_score"].notna().all()


def test_a_redacted_copy_stays_in_the_place_of_its_row() -> None:
    left = run_stage([{"id": 1, "text": MAIL}], gate="personal_data", params={"kinds": {"email": "redact"}})
    assert left["id"].tolist() == [1]
    assert "jane.doe" not in left["text"][0]
    pair = {"question": "How do I reach Jane?", "reply": MAIL}
    fields = {"prompt": "question", "answer": "reply"}
    left = run_stage([pair], gate="personal_data", fields=fields, params={"kinds": {"email": "redact"}})
    assert left["question"].tolist() == ["How do I reach Jane?"]
    assert "jane.doe" not in left["reply"][0]


def test_a_gate_that_compares_rows_has_to_be_allowed_to_see_one_batch_alone() -> None:
    records = [{"text": ENGLISH}, {"text": ENGLISH}]
    with pytest.raises(ConfigError, match="compares the rows of a batch with one another"):
        run_stage(records, gate="dedup")
    assert len(run_stage(records, gate="dedup", by_batch=True)) == 1


def test_an_empty_batch_stays_one() -> None:
    from nemo_curator.tasks import DocumentBatch

    from synth_stack.engines.nemo import GateStage

    task = DocumentBatch(dataset_name="test", data=pa.table({"text": pa.array([], pa.string())}))
    assert len(GateStage(gate="toxicity").process(task).to_pandas()) == 0


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"gate": "toxicty"}, "Did you mean 'toxicity'?"),
        ({"gate": "toxicity", "params": {"treshold": 0.5}}, "Did you mean 'threshold'?"),
        ({"gate": "toxicity", "fields": {"promt": "q"}}, "there is no such field"),
        ({}, "there is no gate of that name"),
    ],
    ids=str,
)
def test_a_stage_that_cannot_work_is_refused_before_anything_runs(keys: dict[str, Any], said: str) -> None:
    from synth_stack.engines.nemo import GateStage

    with pytest.raises(ConfigError) as caught:
        GateStage(**keys)
    assert said in str(caught.value)
