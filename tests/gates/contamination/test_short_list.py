"""How a batch is cut into shards, and where it is judged, shows in no verdict."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.engines.engine import Spec, Step
from synth_stack.engines.worker import Crew
from synth_stack.errors import GateError
from synth_stack.files import write_arrow, write_table
from synth_stack.gates.contamination.paraphrase import Embedding
from synth_stack.gates.contamination.short_list import NOTICED
from synth_stack.gates.contamination.solved_items import Behaviour
from synth_stack.gates.gate import Judge, State
from synth_stack.gates.resources import NoResources
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.registry import Bound, bind
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.folder import list_shards, state_folder
from tests.gates.contamination.exams import DUCKS, REPHRASED, judge_rows, make_judge
from tests.gates.playing import learn, play
from tests.some_rows import make_row, make_texts

PLACES = ("market", "harbour", "station", "library", "bakery", "garden", "museum")
WRONG = "def {name}(n):\n    return {k}\n"


@dataclass(frozen=True)
class Batch:
    """900 rows: most ask for everyday things, some repeat an item, some have functions to try."""

    table: pa.Table
    canaries: pa.Table


@pytest.fixture(scope="module")
def batch() -> Batch:
    rows = [make_row(("user", ask(k)), ("assistant", answer(k)), draw=k) for k in range(900)]
    planted = make_texts([f"{REPHRASED} So {k}?" for k in range(5)], generator="canary")
    return Batch(build_candidates(rows), planted)


def ask(k: int) -> str:
    place = PLACES[k % len(PLACES)]
    if k % 25 == 0:
        return f"{REPHRASED} It is for the {place}, my row {k}."
    if k % 301 == 0:
        return f"Here: {DUCKS}"
    return f"How do I get from platform {k} to the {place}?"


def answer(k: int) -> str:
    name = "is_odd" if k % 120 == 0 else "add_up"
    return f"So:\n\n```python\n{WRONG.format(name=name, k=k)}```" if k % 60 == 0 else "By bus."


PARAMS: dict[str, Any] = {
    "embedding": Embedding(confirm_rows=10),
    "behaviour": Behaviour(runs_per_10000_rows=9),
}
"""Bounds that bind: 36 rows of the batch are like an item, and 15 have functions to try."""


def test_bounds_that_bind_are_cut_for_the_batch_and_not_for_its_tables(
    named: NamedEvalSet, coding: NamedEvalSet, batch: Batch
) -> None:
    judge = make_judge(against=[named, coding], **PARAMS)
    whole = judge_rows(judge, batch.table)
    shown = [json.loads(e) for e in whole["evidence"].to_pylist() if e]
    assert [e.get("by") for e in shown].count("minilm") == 10
    assert sum(e["counts"]["tried"] for e in shown if "counts" in e) == 9
    assert whole["reason_class"].to_pylist().count("contamination.not_tried") > 0

    hundreds = [batch.table.slice(k, 100) for k in range(0, 900, 100)]
    parts, state = play(judge, hundreds, batch.canaries, name="contamination")
    assert pa.concat_tables(parts).combine_chunks().equals(whole)
    planted = judge.judge(batch.canaries, state)
    assert {json.loads(e)["by"] for e in planted["evidence"].to_pylist()} == {"minilm"}


def test_a_judge_that_another_process_builds_says_the_same(
    tmp_path: Path, named: NamedEvalSet, coding: NamedEvalSet, batch: Batch
) -> None:
    table = batch.table.slice(0, 130)
    bound, judge = bind_judge(named, coding)
    (here,), state = play(judge, [table])
    write_table(tmp_path / "here.parquet", here)
    crew = Crew(1)
    try:
        crew.map_shards(*write_run(tmp_path, table, state, bound, judge), lambda _: None)
    finally:
        crew.close()
    there = tmp_path / "verdicts" / "contamination" / "part-00000.parquet"
    assert there.read_bytes() == (tmp_path / "here.parquet").read_bytes()


def bind_judge(named: NamedEvalSet, coding: NamedEvalSet) -> tuple[Bound, Judge]:
    against = [n.model_dump(exclude_none=True) for n in (named, coding)]
    params = {"against": against, "embedding": {"confirm_rows": 2}}
    bound = bind("gate", "contamination", params, where="gates.yaml")
    return bound, bound.make(NoResources())


def write_run(
    folder: Path, table: pa.Table, state: State, bound: Bound, judge: Judge
) -> tuple[Spec, Step, Any]:
    """A run folder with candidates and what the batch told the gate, and the step of judging it."""
    write_table(folder / "candidates" / "part-00000.parquet", table)
    for name, learnt in state.items():
        write_arrow(state_folder(folder, "contamination") / f"{name}.arrow", learnt)
    facts = digest_json(dict(judge.facts))
    spec = Spec(str(folder), "contamination", bound.version, dict(bound.params), facts)
    return spec, Step("judge"), list_shards(folder / "candidates")


def test_what_is_kept_of_a_batch_is_of_rows_that_something_is_said_of(named: NamedEvalSet) -> None:
    judge = make_judge(against=[named])
    table = make_texts([DUCKS, "Where is my card?", REPHRASED, None])
    state = learn(judge, [table])
    assert {name: len(kept) for name, kept in state.items()} == {"known": 4, "noticed": 3}
    assert state["noticed"].schema.equals(NOTICED)
    assert state["noticed"]["row_id"].to_pylist() == [table["row_id"][k].as_py() for k in (0, 2, 3)]


def test_a_row_that_the_batch_does_not_know_is_refused(named: NamedEvalSet) -> None:
    judge = make_judge(against=[named])
    table = make_texts(["One.", "Two."])
    state = learn(judge, [table.slice(0, 1)])
    assert judge.judge(table.slice(0, 1), state)["outcome"].to_pylist() == ["accept"]
    with pytest.raises(GateError, match="the state of the batch does not know a row"):
        judge.judge(table, state)
    with pytest.raises(GateError, match="does not know a row"):
        judge.judge(table, learn(judge, []))
    with pytest.raises(GateError, match="was given no state"):
        judge.judge(table, {})
