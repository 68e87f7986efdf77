"""NeMo Curator's configurations as gate files: stages become gates, a workflow names one, nothing is imported."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.errors import ConfigError
from synth_stack.inputs.gate_file import load_gates, load_map

CONFIGS = Path(__file__).parents[2] / "curator_configs"
READER = {"_target_": "nemo_curator.stages.text.io.reader.JsonlReader", "file_paths": "${input_path}"}
WRITER = {"_target_": "nemo_curator.stages.text.io.writer.JsonlWriter", "path": "${output_path}"}


def score_filter(name: str, **params: Any) -> dict[str, Any]:
    target = f"nemo_curator.stages.text.filters.heuristic.string.{name}"
    found = {"_target_": target, **params}
    return {"_target_": "nemo_curator.stages.text.filters.score_filter.ScoreFilter", "filter_obj": found}


def gate_stage(name: str, **keys: Any) -> dict[str, Any]:
    return {"_target_": "synth_stack.engines.nemo.GateStage", "gate": name, **keys}


def write_config(folder: Path, *stages: Any, **top: Any) -> Path:
    path = folder / "pipeline.yaml"
    head = {"input_path": "???", "output_path": "???", "backend": "ray_data"}
    path.write_text(yaml.safe_dump({**head, **top, "stages": [READER, *stages, WRITER]}))
    return path


def test_filters_that_follow_each_other_are_one_gate_and_stages_of_ours_are_theirs(tmp_path: Path) -> None:
    path = write_config(
        tmp_path,
        score_filter("WordCountFilter", min_words="${least}"),
        {**score_filter("UrlsFilter"), "invert": False, "score_field": None},
        gate_stage("toxicity", params={"escalate_slice_at": None}, rejects_path="away"),
        least=3,
    )
    file = load_gates(path)
    assert [(gate.use, gate.params) for gate in file.gates] == [
        ("nemo_filter", {"filters": [{"use": "WordCountFilter", "min_words": 3}, {"use": "UrlsFilter"}]}),
        ("toxicity", {"escalate_slice_at": None}),
    ]
    assert load_map(path) == {"text": "text"}


def test_columns_are_those_that_the_stages_read(tmp_path: Path) -> None:
    path = write_config(tmp_path, {**score_filter("UrlsFilter"), "text_field": "${column}"}, column="body")
    assert load_map(path) == {"text": "body"}
    fields = {"prompt": "question", "answer": "reply"}
    assert load_map(write_config(tmp_path, gate_stage("toxicity", fields=fields))) == fields


def test_a_workflow_of_ours_is_the_gate_file_that_it_names() -> None:
    file = load_gates(CONFIGS / "nemo" / "standard.yaml")
    assert [gate.use for gate in file.gates] == [
        gate.use for gate in load_gates(CONFIGS / "standard.yaml").gates
    ]
    assert file.folder == CONFIGS


def test_the_configuration_of_documents_that_comes_along_is_understood() -> None:
    file = load_gates(CONFIGS / "nemo" / "documents.yaml")
    assert [gate.use for gate in file.gates] == ["nemo_filter", "toxicity", "contamination"]
    assert file.gates[2].params["against"] == []


BAD: list[tuple[list[Any], str]] = [
    ([{"_target_": "os.system", "command": "true"}], "no gate stands for this stage; seen: os.system"),
    ([{**score_filter("UrlsFilter"), "invert": True}], "a NeMo filter that is inverted is no gate"),
    ([score_filter("UrlsFilter"), gate_stage("toxicity"), score_filter("UrlsFilter")], "stands twice"),
    ([score_filter("UrlsFilter"), gate_stage("toxicity", text_field="b")], "stages read different columns"),
    ([score_filter("WordCountFilter", min_words="${none}")], "${none} is no value at the top of the file"),
    ([score_filter("WordCountFilter", min_words="${oc.env:HOME}")], "only names at the top of the file"),
    ([gate_stage("toxicity", parms={})], "a GateStage names a gate and its params; seen: parms"),
    ([{"_target_": "nemo_curator.stages.text.filters.ScoreFilter"}], "a ScoreFilter needs a filter_obj"),
    (["JsonlReader"], "stages must be a list of mappings"),
]


@pytest.mark.parametrize(("stages", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_what_no_gate_can_stand_for_is_refused(tmp_path: Path, stages: list[Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_gates(write_config(tmp_path, *stages))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("workflow", "said"),
    [
        ([{"_target_": "nemo_curator.stages.deduplication.exact.workflow.X"}], "workflow is none that gates"),
        ([{"_target_": "synth_stack.workflows.nemo_workflow.CurateWorkflow"}], "has to name a gate file"),
        ([], "workflow is none that gates"),
    ],
    ids=str,
)
def test_another_workflow_is_refused(tmp_path: Path, workflow: list[Any], said: str) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text(yaml.safe_dump({"workflow": workflow}))
    with pytest.raises(ConfigError, match=said):
        load_gates(path)
