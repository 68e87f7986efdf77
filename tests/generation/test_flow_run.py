"""Pipelines of every shape, stopped at any moment: they end in the bytes of an undisturbed run."""

import json
import logging
import random
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts, MinHashDedup, Step, StepInput, step
from distilabel.steps.tasks import TextGeneration
from pydantic import PrivateAttr

import synth_stack
from synth_stack import files
from synth_stack.errors import ConfigError, WorkError
from synth_stack.generation import authored, flow_run
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.teachers.scripted_llm import ScriptedLLM
from tests.generation.documented_pipelines import DOCUMENTED, Documented
from tests.generation.documented_steps import QUESTIONS, DocLLM
from tests.generation.test_flow import Sort

Row = dict[str, Any]

pytestmark = [  # distilabel leaves its template files open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Killed(BaseException):
    """What a kill is to the code under test: nothing catches it."""


def read(folder: Path) -> list[Row]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "candidates").glob("part-*"))}


def behind_a_barrier() -> None:
    load = LoadDataFromDicts(name="load", data=list(QUESTIONS), batch_size=1)
    first = TextGeneration(name="first", llm=DocLLM(label="a"))
    second = TextGeneration(name="second", llm=DocLLM(label="b"))
    load >> first >> Sort(name="sort") >> second


BARRIER = Documented(behind_a_barrier, "a global step", 3)
SHAPES = [
    BARRIER,
    *(
        s
        for s in DOCUMENTED
        if s.name in {"routed_batches", "two_leaves", "evol_instruct_generator", "minhash_dedup"}
    ),
]


@pytest.mark.parametrize("shown", SHAPES, ids=lambda shown: shown.name)
@pytest.mark.parametrize("moments", [2, pytest.param(20, marks=pytest.mark.distilabel)])
def test_killed_at_any_moment_it_ends_in_the_same_bytes(
    shown: Documented, moments: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = shown.needs or None
    whole = read_bytes(synth_stack.generate(shown.make(), tmp_path / "whole", columns=named))
    left = 0

    def dying(write: Callable[..., None]) -> Callable[..., None]:
        def write_or_die(*args: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            write(*args)
            if left == -1_000:
                raise Killed

        return write_or_die

    monkeypatch.setattr(flow_run, "write_bytes", dying(files.write_bytes))
    monkeypatch.setattr(authored, "write_table", dying(files.write_table))
    lots = random.Random(7)
    for moment in range(moments):
        folder = tmp_path / f"run-{moment}"
        kills = 0
        while True:
            left = lots.randint(1, 6) if kills < 3 else 1_000_000
            try:
                synth_stack.generate(shown.make(), folder, columns=named)
                break
            except Killed:
                kills += 1
        assert read_bytes(folder) == whole
        assert not (folder / flow_run.STAGES).exists()


def test_what_was_paid_for_before_a_barrier_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    generate = DocLLM.generate

    def count(self: DocLLM, inputs: list[Any], num_generations: int = 1) -> list[Any]:
        asked.extend(self.label for _ in inputs)
        if asked.count("b") == len(QUESTIONS):  # the first time that anything after the barrier is asked
            raise Killed
        return generate(self, inputs, num_generations)

    monkeypatch.setattr(DocLLM, "generate", count)
    data = list(QUESTIONS)
    with pytest.raises(Killed):
        synth_stack.generate(BARRIER.make(), tmp_path)
    assert asked.count("a") == len(data)
    synth_stack.generate(BARRIER.make(), tmp_path)
    assert asked.count("a") == len(data)


def test_a_step_that_raises_costs_the_outputs_of_its_batch_and_the_rows_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = next(shown for shown in DOCUMENTED if shown.name == "step_that_raises")
    with caplog.at_level(logging.WARNING):
        rows = read(synth_stack.generate(shown.make(), tmp_path))
    failures = [row["failure"] for row in rows if row["failure"]]
    assert failures == ["step stumble raised ValueError: no such row"]
    assert "no such row" in caplog.text


def test_a_barrier_that_raises_ends_the_run_and_keeps_what_was_before_it(tmp_path: Path) -> None:
    @step(inputs=["instruction"], outputs=["place"], step_type="global")  # type: ignore[untyped-decorator]
    def fall(inputs: StepInput) -> Any:
        if inputs:
            raise ValueError("too many")
        yield inputs

    with Pipeline(name="falls") as pipeline:
        (
            LoadDataFromDicts(name="load", data=list(QUESTIONS))
            >> TextGeneration(llm=DocLLM())
            >> fall(name="fall")
        )
    with pytest.raises(WorkError, match=r"'fall' raised.*ValueError: too many"):
        synth_stack.generate(pipeline, tmp_path)
    assert len(list((tmp_path / flow_run.STAGES).glob("*.json"))) == 1


def test_a_place_that_rows_cannot_be_sent_to_is_no_failure_of_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = next(shown for shown in DOCUMENTED if shown.name == "push_to_hub")
    with caplog.at_level(logging.WARNING):
        assert len(read(synth_stack.generate(shown.make(), tmp_path))) == 3
    assert "was left out" in caplog.text


def test_parameters_and_a_dataset_are_those_of_the_pipeline_s_own_run(tmp_path: Path) -> None:
    with Pipeline(name="given") as pipeline:
        TextGeneration(name="write", llm=DocLLM())
    rows = read(
        synth_stack.generate(
            pipeline, tmp_path, dataset=list(QUESTIONS), parameters={"write": {"num_generations": 2}}
        )
    )
    assert len(rows) == 6


def test_what_a_step_raised_is_told_without_addresses_and_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @step(inputs=["instruction"], outputs=["generation"])  # type: ignore[untyped-decorator]
    def leak(inputs: StepInput) -> Any:
        if inputs[0]["instruction"] == QUESTIONS[0]["instruction"]:
            raise ValueError("http://10.0.0.7:8000/v1?key=sk-abcdefghij123 refused Bearer hf_secretsecret1")
        yield [{**row, "generation": "An answer of some words."} for row in inputs]

    with Pipeline(name="leaks") as pipeline:
        LoadDataFromDicts(name="load", data=list(QUESTIONS), batch_size=1) >> leak(
            name="leak", input_batch_size=1
        )
    with caplog.at_level(logging.WARNING):
        rows = read(synth_stack.generate(pipeline, tmp_path))
    told = " ".join(row["failure"] for row in rows if row["failure"]) + caplog.text
    assert "step leak raised ValueError: [address] refused [key]" in told
    for secret in ("10.0.0.7", "sk-abcdefghij123", "hf_secretsecret1"):
        assert secret not in told


def test_a_step_of_an_author_works_where_it_was_loaded(tmp_path: Path) -> None:
    class Kept(Step):  # type: ignore[misc]  # distilabel has no types
        """Holds what only its thread may touch, and sets a handler that only the main thread may set."""

        _store: Any = PrivateAttr(None)

        def load(self) -> None:
            super().load()
            self._store = sqlite3.connect(":memory:")

        def unload(self) -> None:
            if self._store is not None:
                self._store.close()

        @property
        def outputs(self) -> list[str]:
            return ["two"]

        def process(self, inputs: StepInput) -> Any:
            signal.signal(signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
            (two,) = self._store.execute("select 1 + 1").fetchone()
            yield [{**row, "two": two} for row in inputs]

    with Pipeline(name="kept") as pipeline:
        load = LoadDataFromDicts(name="load", data=list(QUESTIONS), batch_size=1)
        load >> TextGeneration(llm=ScriptedLLM()) >> Kept(name="kept")
    rows = read(synth_stack.generate(pipeline, tmp_path))
    assert [(row["failure"], json.loads(row["extra"])["two"]) for row in rows] == [(None, 2)] * 3


def test_a_step_that_cannot_be_loaded_is_refused_before_the_first_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with Pipeline(name="lacks") as pipeline:
        load = LoadDataFromDicts(name="load", data=[{"text": "a"}])
        load >> MinHashDedup(name="dedup", tokenizer="ngrams")
    with pytest.raises(ConfigError, match=r"step 'dedup' cannot be loaded; seen: .*datasketch"):
        synth_stack.generate(pipeline, tmp_path)
