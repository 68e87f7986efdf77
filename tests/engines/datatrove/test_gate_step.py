"""A gate in a datatrove user's own pipeline: one line, rejects to the exclusion writer."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datatrove")

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

from synth_stack.engines.datatrove import GateStep
from synth_stack.errors import BlindGate, ConfigError, GateError, InputError
from tests.engines.engine_runs import TOY

WORDS = {"filters": [{"filter": "gopher_quality", "params": {"min_doc_words": 5, "min_stop_words": 0}}]}
"""Texts of fewer than five words go."""


def make_documents(count: int) -> list[Document]:
    words = [" ".join(f"word{(n * 7919 + k * k) % 997}" for k in range(30)) for n in range(count)]
    texts = [f"{text}." if n % 5 else "Two words" for n, text in enumerate(words)]
    return [
        Document(text=text, id=f"d{n}", metadata={"url": f"https://x/{n}"}) for n, text in enumerate(texts)
    ]


def read_lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def write_to(folder: Path) -> Any:
    return JsonlWriter(str(folder), compression=None)


def test_one_line_in_a_pipeline_of_many_tasks(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for part in range(2):
        lines = [{"text": d.text, "id": f"{part}-{d.id}", **d.metadata} for d in make_documents(10)]
        (tmp_path / "in" / f"{part}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    pipeline = [
        JsonlReader(str(tmp_path / "in"), compression=None),
        GateStep("datatrove_filter", WORDS, exclusion_writer=write_to(tmp_path / "rejected")),
        write_to(tmp_path / "kept"),
    ]
    LocalPipelineExecutor(pipeline, tasks=2, workers=1, logging_dir=str(tmp_path / "logs")).run()

    kept, rejected = read_lines(tmp_path / "kept"), read_lines(tmp_path / "rejected")
    assert [row["id"] for row in kept] == [f"{p}-d{n}" for p in range(2) for n in range(10) if n % 5]
    assert {row["id"] for row in rejected} == {f"{p}-d{n}" for p in range(2) for n in (0, 5)}
    assert {row["metadata"]["filter_reason"] for row in rejected} == {"gopher_quality: gopher_short_doc"}
    verdict = rejected[0]["metadata"]["synth_stack"]
    assert (verdict["gate"], verdict["outcome"]) == ("datatrove_filter", "reject")


def test_a_gate_that_reads_the_whole_batch_works_in_one_task_and_refuses_more(tmp_path: Path) -> None:
    documents = make_documents(6)[1:5]
    documents += [Document(text=documents[0].text, id="copy"), Document(text="x " * 2000, id="long")]
    step = GateStep("long_texts", load=[str(TOY)], exclusion_writer=write_to(tmp_path / "bad"))
    kept = list(step.run(iter(documents)))
    assert [d.id for d in kept] == ["d1", "d2", "d3", "d4", "copy"]
    assert kept[0].metadata == {"url": "https://x/1"}
    assert [row["id"] for row in read_lines(tmp_path / "bad")] == ["long"]

    twins = GateStep("dedup", canaries=2, exclusion_writer=write_to(tmp_path / "copies"))
    assert [d.id for d in twins.run(iter(documents))] == ["d1", "d2", "d3", "d4", "long"]
    [copy] = read_lines(tmp_path / "copies")
    assert copy["metadata"]["synth_stack"]["evidence"]

    with pytest.raises(
        GateError, match=r"learns from the whole batch, of which a task sees a part; seen: 3 tasks"
    ):
        list(step.run(iter(documents), rank=0, world_size=3))


def test_nothing_in_gives_nothing_out() -> None:
    assert list(GateStep("datatrove_filter", WORDS).run(iter([]))) == []
    assert list(GateStep("dedup").run(iter([]))) == []


def test_a_blind_gate_stops_the_task(tmp_path: Path) -> None:
    blind = tmp_path / "blind.py"
    blind.write_text(
        "from synth_stack.extend import Judge, build_verdicts, gate, plant_defects\n"
        "@gate('blind_step', version='1')\n"
        "def blind_step() -> Judge:\n"
        "    def judge(table, state):\n"
        "        return build_verdicts(table['row_id'], 'blind_step', ['accept'] * len(table))\n"
        "    def plant(sample, n, seed):\n"
        "        return plant_defects(sample, n, [('a curse', lambda text: text + ' damn')])\n"
        "    return Judge(judge, plant=plant)\n"
    )
    with pytest.raises(BlindGate, match="no document is judged"):
        list(GateStep("blind_step", load=[str(blind)]).run(iter(make_documents(3)[1:])))
    assert len(list(GateStep("blind_step", load=[str(blind)], canaries=0).run(iter(make_documents(3))))) == 3


def test_mistakes_are_found_when_the_pipeline_is_written() -> None:
    with pytest.raises(ConfigError, match="there is no gate of that name"):
        GateStep("strukture")
    with pytest.raises(ConfigError, match="GateStep dedup: treshold is not a known key"):
        GateStep("dedup", {"treshold": 0.9})


def test_what_cannot_wait_on_the_disk_is_refused() -> None:
    document = Document(text="a text", id="d", metadata={"when": object()})
    with pytest.raises(InputError, match="the metadata of a document are no JSON"):
        list(GateStep("dedup", canaries=0).run(iter([document])))
