"""Batches come by share, and those of a line that grows after what they start from."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from distilabel.pipeline import Pipeline
from distilabel.steps import GeneratorStep, Step, StepInput
from pydantic import PrivateAttr

from synth_stack.generation.driver import drive_lines
from synth_stack.generation.lines import Line
from synth_stack.rows.schemas import build_candidates
from synth_stack.teachers.scripted_llm import ScriptedLLM

Row = dict[str, Any]
EVERY = 4


def build_row(draw: int, text: str) -> Row:
    return {
        "kind": "instruction",
        "slice": "s",
        "messages": [{"role": "user", "content": text}],
        "text": text,
        "failure": None,
        "attachments": [],
        "replayable": True,
        "rng_seed": 1,
        "generator": "counting",
        "generator_version": "1",
        "draw": draw,
    }


class CountUp(GeneratorStep):  # type: ignore[misc]  # distilabel has no types
    """Eight batches of two items; four items make an iteration, and know how many rows there were before."""

    _seen: set[int] = PrivateAttr(default_factory=set)
    _refused: set[int] = PrivateAttr(default_factory=set)

    @property
    def outputs(self) -> list[str]:
        return ["draw"]

    def process(self, offset: int = 0) -> Any:
        for start in range(0, 16, 2):
            yield [{"draw": draw} for draw in (start, start + 1)], start == 14

    def find_iteration(self, items: Sequence[Row]) -> int:
        return int(items[0]["draw"] // EVERY)

    def learn(self, rows: pa.Table) -> bool:
        draws = set(rows["draw"].to_pylist())
        if draws & self._refused:
            self._refused -= draws
            return False
        self._seen.update(draws)
        return True


class Tell(Step):  # type: ignore[misc]  # distilabel has no types
    """A row for each item that says how many rows were there; it has an LLM, so that batches overlap."""

    llm: ScriptedLLM

    _seen: set[int] = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["draw"]

    def process(self, inputs: StepInput) -> Any:
        first = inputs[0]["draw"] // EVERY * EVERY
        assert set(range(first)) <= self._seen
        yield [build_row(row["draw"], f"{row['draw']} after {first}") for row in inputs]


class Killed(Exception):
    """What ends a run in the middle of a test."""


def build(refused: Sequence[int] = ()) -> Pipeline:
    with Pipeline(name="counting") as pipeline:
        root = CountUp(name="count", batch_size=2)
        tell = Tell(name="tell", llm=ScriptedLLM(concurrency=8, delay_s=0.001))
        root._refused = set(refused)
        tell._seen = root._seen
        root >> tell
    return pipeline


def drive(kept: dict[int, list[Row]], *, kill_after: int | None = None, refused: Sequence[int] = ()) -> None:
    def commit(number: int, _items: list[Row], rows: list[Row]) -> None:
        if kill_after is not None and len(kept) >= kill_after:
            raise Killed
        kept[number] = rows

    def read(number: int, _items: list[Row]) -> pa.Table:
        return build_candidates(kept[number])

    line = Line(build(refused), lambda number, _items: number in kept, commit, read=read)
    drive_lines([line], proven=True)


def test_a_batch_of_a_line_that_grows_waits_for_the_iterations_before_it() -> None:
    kept: dict[int, list[Row]] = {}
    drive(kept)  # each batch looks for the rows before its iteration
    assert sorted(kept) == list(range(8))


@pytest.mark.parametrize("moment", range(1, 8, 2))
def test_a_line_that_grows_goes_on_where_it_was_killed(moment: int) -> None:
    whole: dict[int, list[Row]] = {}
    drive(whole)
    kept: dict[int, list[Row]] = {}
    with pytest.raises(Killed):
        drive(kept, kill_after=moment)
    assert len(kept) == moment
    drive(kept)
    assert kept == whole


def test_a_batch_that_starts_from_rows_which_are_gone_is_made_again() -> None:
    kept: dict[int, list[Row]] = {}
    drive(kept)
    before = dict(kept)
    kept[5] = []  # what is committed in its place is told apart by this
    drive(kept, refused=[])
    assert kept[5] == []
    kept[5] = [{**row, "text": "of a parent that is gone"} for row in before[5]]
    drive(kept, refused=[10])
    assert kept == before


def test_rows_that_were_made_before_this_call_are_there_from_the_start() -> None:
    told: list[int] = []
    pipeline = build()
    root = pipeline.dag.get_step("count")["step"]

    def read_earlier() -> list[pa.Table]:
        return [build_candidates([build_row(99, "earlier")])]

    def commit(number: int, _items: list[Row], _rows: list[Row]) -> None:
        told.append(number)
        assert 99 in root._seen

    drive_lines([Line(pipeline, lambda *_: False, commit, earlier=read_earlier)], proven=True)
    assert sorted(told) == list(range(8))
