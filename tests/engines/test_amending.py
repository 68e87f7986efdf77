"""Gates that replace rows, one after the other: what each sees, what stands for what, and what a kill leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.engines.amending import amend_candidates
from synth_stack.engines.gate_loop import GateRun, run_gates
from synth_stack.engines.local import open_local
from synth_stack.files import read_table, write_table
from synth_stack.gates.gate import Judge, Round, State
from synth_stack.progress import Silent
from synth_stack.registry import Bound
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates, build_verdicts
from synth_stack.runs.amended import read_gone, read_links
from synth_stack.runs.committed import AMENDED
from synth_stack.runs.folder import list_amended, list_parts
from tests.some_rows import make_texts

Change = Callable[[str], str]


def change_rows(table: pa.Table, change: Change) -> pa.Table:
    """A new row for each that the change alters."""
    rows = [row for row in table.to_pylist() if change(row["text"]) != row["text"]]
    kept = [{name: value for name, value in row.items() if name != "row_id"} for row in rows]
    return build_candidates(
        {**new, "text": change(row["text"]), "parent_id": row["row_id"]}
        for row, new in zip(rows, kept, strict=True)
    )


def make_masker(name: str, change: Change) -> GateRun:
    """A gate that knows from a row alone what it makes of it."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        links = {row["parent_id"]: row["row_id"] for row in change_rows(table, change).to_pylist()}
        return reject_linked(name, table, links)

    return run_of(
        name, Judge(judge, amend=lambda table, _: change_rows(table, change), alone="a test made it")
    )


def make_writer(name: str, change: Change, seen: list[list[str]]) -> GateRun:
    """A gate that learns from the batch what it makes of a row, here how many rows there are: it changes rows
    of a batch of two or more.
    """

    def count(table: pa.Table, _: State) -> pa.Table:
        return pa.table({"n": [len(table)]})

    def add(sketches: Any, _: State) -> State:
        return {"n": pa.table({"n": [sum(sketch["n"][0].as_py() for sketch in sketches)]})}

    def amend(table: pa.Table, state: State) -> pa.Table:
        seen.append(table["text"].to_pylist())
        return change_rows(table, change if state["n"]["n"][0].as_py() > 1 else str)

    def judge(table: pa.Table, state: State) -> pa.Table:
        links = {row["parent_id"]: row["row_id"] for row in state["replaced"].to_pylist()}
        return reject_linked(name, table, links)

    made = Judge(
        judge,
        rounds=(Round(count, add),),
        amend=amend,
        amend_rounds=1,
        reads_replaced=True,
        alone="a test made it",
    )
    return run_of(name, made)


def reject_linked(name: str, table: pa.Table, links: dict[str, str]) -> pa.Table:
    ids = table["row_id"].to_pylist()
    return build_verdicts(
        table["row_id"],
        name,
        ["reject" if row in links else "accept" for row in ids],
        reason_classes=[f"{name}.replaced" if row in links else None for row in ids],
        evidence=[canonical_text({"replaced_by": links[row]}) if row in links else None for row in ids],
    )


def run_of(name: str, judge: Judge) -> GateRun:
    return GateRun(Bound("gate", name, "1", {}, Judge), judge, scores_all=False)


def work(folder: Path, *gates: GateRun) -> None:
    with open_local() as engine:
        amend_candidates(folder, gates, engine, Silent())
        run_gates(folder, gates, engine, Silent())


def read_texts(folder: Path) -> list[str]:
    parts = list_parts(folder / "candidates")
    return [text for part in parts for text in read_table(part, CANDIDATE_SCHEMA)["text"].to_pylist()]


def read_standing(folder: Path, *names: str) -> list[str]:
    """The texts of the rows that no gate rejects, in order."""
    rejected = {
        row["row_id"]
        for name in names
        for part in list_parts(folder / "verdicts" / name)
        for row in read_table(part).to_pylist()
        if row["outcome"] == "reject"
    }
    return [
        row["text"]
        for part in list_parts(folder / "candidates")
        for row in read_table(part, CANDIDATE_SCHEMA).to_pylist()
        if row["row_id"] not in rejected
    ]


def mask(text: str) -> str:
    return text.replace("@", "[at]")


def write_again(text: str) -> str:
    return text.replace("false", "true, ask a@b")


def two_amenders(seen: list[list[str]]) -> tuple[GateRun, GateRun]:
    return make_masker("masker", mask), make_writer("writer", write_again, seen)


def fill(folder: Path, *texts: str) -> None:
    write_table(folder / "candidates" / "part-00000.parquet", make_texts(texts))


def test_a_later_gate_sees_what_an_earlier_one_made_and_not_what_it_replaced(tmp_path: Path) -> None:
    fill(tmp_path, "fine", "mail x@y", "mail x@y, false")
    seen: list[list[str]] = []
    work(tmp_path, *two_amenders(seen))
    assert seen == [["fine"], ["mail x[at]y", "mail x[at]y, false"]]


def test_a_row_that_is_written_anew_is_masked_like_any_other_and_every_row_follows_its_original(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "fine", "it is false")
    work(tmp_path, *two_amenders([]))
    assert read_texts(tmp_path) == ["fine", "it is false", "it is true, ask a@b", "it is true, ask a[at]b"]
    assert read_standing(tmp_path, "masker", "writer") == ["fine", "it is true, ask a[at]b"]
    assert [part.name for part in list_amended(tmp_path / "candidates")] == [
        "part-amended-then-01-00000.parquet",
        "part-amended-then-01-copies-00-00000.parquet",
    ]


def test_what_is_learnt_to_replace_rows_is_learnt_anew_to_judge_them(tmp_path: Path) -> None:
    fill(tmp_path, "it is false", "it is false too")
    work(tmp_path, *two_amenders([]))
    counted = pa.ipc.open_file(tmp_path / "state" / "writer" / "n.arrow").read_all()
    assert (
        counted["n"][0].as_py() == 4
    )  # two made, two written again; the masked originals are rejected before


def test_work_that_was_stopped_while_rows_were_replaced_ends_in_the_same_files(tmp_path: Path) -> None:
    for name in ("whole", "stopped"):
        fill(tmp_path / name, "fine", "it is false", "mail x@y")
    work(tmp_path / "whole", *two_amenders([]))
    work(tmp_path / "stopped", *two_amenders([]))
    candidates = tmp_path / "stopped" / "candidates"
    (candidates / AMENDED).unlink()
    for part in list_amended(candidates)[1:]:
        part.unlink()
    work(tmp_path / "stopped", *two_amenders([]))
    parts = [list_amended(tmp_path / name / "candidates") for name in ("whole", "stopped")]
    assert [part.name for part in parts[0]] == [part.name for part in parts[1]]
    assert [part.read_bytes() for part in parts[0]] == [part.read_bytes() for part in parts[1]]


@pytest.mark.parametrize(("gate", "rows"), [(0, 2), (1, 1)])
def test_the_links_of_a_gate_are_those_of_the_rows_that_it_made_itself(
    tmp_path: Path, gate: int, rows: int
) -> None:
    fill(tmp_path, "fine", "it is false", "mail x@y")
    work(tmp_path, *two_amenders([]))
    candidates = tmp_path / "candidates"
    assert len(read_links(candidates, gate)) == rows
    assert len(read_gone(candidates, gate)) == gate
