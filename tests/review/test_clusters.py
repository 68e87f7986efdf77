"""Clusters of lots: those of a gate where it found some, else of embeddings in large slices, else none."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from synth_stack.errors import MissingExtra
from synth_stack.gates.gate import Judge, Round, State
from synth_stack.registry import gate
from synth_stack.review import clusters
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import hash_ids
from synth_stack.workflows.review import plan
from tests.packs.shaped_pack import judge_rows
from tests.review.toy_run import GATES
from tests.some_rows import make_row

TOPICS = {
    "card": "My bank card was swallowed by the cash machine and I need a new card.",
    "parcel": "The parcel with my running shoes has not been delivered to my house yet.",
}


@gate("toy_groups", version="1", clusters="homes")
def toy_groups(*, word: str = "swallowed") -> Judge:
    """Accepts all, and finds the rows with a word in one cluster."""

    def sketch(table: pa.Table, _: State) -> pa.Table:
        has = pc.match_substring(table["text"], word)
        ids = pa.array(hash_ids(table), pa.uint64()).filter(has.combine_chunks())
        return pa.table({"id": ids, "cluster": pa.array(np.full(len(ids), 7), pa.int32())})

    def merge(sketches: Iterable[pa.Table], _: State) -> Mapping[str, pa.Table]:
        return {"homes": pa.concat_tables(sketches)}

    def judge(table: pa.Table, _: State) -> pa.Table:
        return build_verdicts(table["row_id"], "toy_groups", ["accept"] * len(table))

    return Judge(judge, rounds=(Round(sketch, merge),))


def make_run(folder: Path, gates: str = GATES) -> Path:
    rows = [
        make_row(("user", f"{text} Case {n}."), ("assistant", "We will see to it."), draw=n, slice="all")
        for n in range(40)
        for text in TOPICS.values()
    ]
    return judge_rows(folder, rows, gates)


def test_the_clusters_of_a_gate_are_lots_of_their_own(tmp_path: Path) -> None:
    made = plan(make_run(tmp_path, GATES.replace("toy_marks", "toy_groups")), estimate=0)
    assert made.lots.select(["cluster", "rows"]).to_pylist() == [
        {"cluster": None, "rows": 40},
        {"cluster": "toy_groups-7", "rows": 40},
    ]
    assert made.clusters == "those of toy_groups"


def test_a_large_slice_is_cut_by_what_its_rows_are_about(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    run = make_run(tmp_path)
    made = plan(run, estimate=0, lot_rows=40)
    assert made.lots["cluster"].to_pylist() == ["static-0", "static-1"]
    assert made.clusters is not None
    assert "static embeddings" in made.clusters
    frame = pl.DataFrame(made.read_frame())
    texts = pl.concat([pl.read_parquet(part) for part in (run / "candidates").glob("part-*.parquet")])
    joined = frame.join(texts.select("row_id", "text"), on="row_id")
    for lot in made.lots["lot"].to_pylist():
        mine = joined.filter(lot=lot)["text"].str.contains("card")
        assert mine.all() or not mine.any()
    again = plan(make_run(tmp_path / "again"), estimate=0, lot_rows=40)
    assert again.sha256 == made.sha256


def test_a_slice_that_is_not_large_is_one_lot(tmp_path: Path) -> None:
    made = plan(make_run(tmp_path), estimate=0, lot_rows=41)
    assert made.lots["cluster"].to_pylist() == [None]
    assert made.clusters is None


def test_without_the_embedder_slices_are_not_cut_and_the_plan_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise MissingExtra(f"{name} is not installed")

    monkeypatch.setattr(clusters, "load_embedder", refuse)
    made = plan(make_run(tmp_path), estimate=0, lot_rows=20)
    assert made.lots["cluster"].to_pylist() == [None]
    assert made.clusters is not None
    assert "for want of the embedder" in made.clusters
