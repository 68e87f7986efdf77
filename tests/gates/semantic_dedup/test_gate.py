import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.semantic_dedup import gate as module
from synth_stack.gates.semantic_dedup.gate import semantic_dedup
from synth_stack.models.embedders import load_embedder
from synth_stack.registry import bind, registered
from synth_stack.rows.schemas import VERDICT_SCHEMA
from tests.some_rows import TextsTable

pytest.importorskip("wordllama")

ASKED = "How can I cancel the order that I placed on Monday?"
AGAIN = "How do I cancel the order I placed on Monday?"
OTHER = "Which vegetables grow best in a shady garden?"


def judge_texts(texts: Sequence[str | None], cut: int = 10_000, **params: Any) -> list[dict[str, Any]]:
    ids = [f"{k:032x}" for k in range(len(texts))]
    return judge_table(
        pa.table({"row_id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())}), cut, **params
    )


def judge_table(table: pa.Table, cut: int = 10_000, **params: Any) -> list[dict[str, Any]]:
    judge = semantic_dedup(**{"field": "text", **params})
    assert judge.prepare is not None
    shards = [table.slice(first, cut) for first in range(0, max(len(table), 1), cut)]
    judge.prepare(lambda: shards)
    verdicts = pa.concat_tables([judge.judge(shard) for shard in shards])
    assert verdicts.schema == VERDICT_SCHEMA
    return list(verdicts.to_pylist())


def make_questions(rows: int) -> list[str]:
    rng = np.random.default_rng(1)
    things = "order parcel invoice garden recipe laptop train ticket letter password engine river".split()
    acts = "cancel repair describe return compare paint measure deliver water forget".split()
    return [
        f"Please {rng.choice(acts)} the {' '.join(rng.choice(things, 6))} number {k}" for k in range(rows)
    ]


def test_the_same_question_in_other_words_is_rejected_and_names_its_twin() -> None:
    first, other, again = judge_texts([ASKED, OTHER, AGAIN])
    assert [v["outcome"] for v in (first, other, again)] == ["accept", "accept", "reject"]
    assert again["reason"] == f"same meaning: like {first['row_id']}, cosine {again['score']}"
    assert json.loads(again["evidence"]) == {"cosine": again["score"], "twin": first["row_id"]}
    assert 0.9 < again["score"] < 1
    assert (first["score"], first["evidence"]) == (0, None)


def test_a_copy_has_cosine_one() -> None:
    copy = judge_texts([ASKED, ASKED])[1]
    assert copy["score"] == 1
    assert json.loads(copy["evidence"])["cosine"] == 1


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_row_with_nothing_to_read_is_abstained_on(nothing: str | None) -> None:
    verdict = judge_texts([nothing, ASKED])[0]
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")


def test_a_row_is_compared_with_rows_that_stay_only() -> None:
    texts = [ASKED, AGAIN, "How do I cancel the order my wife placed on Monday?"]
    embed = load_embedder("wordllama").embed
    vectors = embed(texts)
    chained, direct = float(vectors[1] @ vectors[2]), float(vectors[0] @ vectors[2])
    assert direct < chained
    threshold = (chained + direct) / 2
    assert float(vectors[0] @ vectors[1]) > threshold
    assert [v["outcome"] for v in judge_texts(texts, threshold=threshold)] == ["accept", "reject", "accept"]


@pytest.mark.parametrize("cut", [1, 7])
def test_how_the_batch_is_cut_into_tables_does_not_show(cut: int) -> None:
    texts: list[str | None] = [*make_questions(40), None, ASKED, AGAIN, *make_questions(5)]
    assert judge_texts(texts, cut=cut) == judge_texts(texts)


def test_clusters_find_nearly_what_one_whole_comparison_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*make_questions(1500), *make_questions(300)]
    whole = [v["outcome"] for v in judge_texts(texts, threshold=0.97)]
    monkeypatch.setattr(module, "_WHOLE_ROWS", 100)
    monkeypatch.setattr(module, "_CLUSTER_ROWS", 100)
    parted = [v["outcome"] for v in judge_texts(texts, threshold=0.97)]
    assert whole[1500:] == ["reject"] * 300 == parted[1500:]
    assert sum(p == w for p, w in zip(parted, whole, strict=True)) > 0.9 * len(texts)


def test_a_cluster_larger_than_a_block_is_settled_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = make_questions(300)
    whole = judge_texts(texts)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 16)
    monkeypatch.setattr(module, "_KEPT_ROWS", 8)
    assert [v["outcome"] for v in judge_texts(texts)] == [v["outcome"] for v in whole]


def test_canaries_are_caught_and_change_nothing_said_of_the_batch(texts_table: TextsTable) -> None:
    table, judge = texts_table([*make_questions(60), ASKED]), semantic_dedup(field="text")
    assert judge.plant is not None
    assert judge.prepare is not None
    canaries = judge.plant(table, 40, 1)
    judge.prepare(lambda: [table, canaries])
    assert judge.judge(canaries)["outcome"].to_pylist().count("reject") / 40 >= judge.min_recall
    assert judge.judge(table).to_pylist() == judge_table(table)


def test_rows_that_it_has_not_seen_are_not_judged(texts_table: TextsTable) -> None:
    judge = semantic_dedup()
    with pytest.raises(GateError, match="before it saw the batch"):
        judge.judge(texts_table([ASKED]))
    assert judge.prepare is not None
    judge.prepare(list)
    assert judge.judge(texts_table([])).num_rows == 0
    with pytest.raises(GateError, match="had not seen"):
        judge.judge(texts_table([ASKED]))


def test_another_threshold_decides_again_from_the_stored_cosines() -> None:
    verdicts = judge_texts([ASKED, AGAIN, OTHER, None])
    entry = registered("gate")["semantic_dedup"]
    assert entry.redecide is not None
    old = bind("gate", "semantic_dedup", {}, where="gates[0]").params
    frame = pl.DataFrame(pa.Table.from_pylist(verdicts, schema=VERDICT_SCHEMA))
    for threshold in (0.5, 0.9, 0.99):
        new = {**old, "threshold": threshold}
        outcomes = [
            "abstain" if v["score"] is None else "reject" if v["score"] > threshold else "accept"
            for v in verdicts
        ]
        assert entry.redecide(old, new, {}, frame)["outcome"].to_list() == outcomes
    with pytest.raises(ConfigError, match="field cannot change"):
        entry.redecide(old, {**old, "field": "text"}, {}, frame)


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.0}, {"threshold": "0.9"}, {"model": "bert"}, {"field": "row"}]
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[1\]: " + next(iter(wrong))):
        bind("gate", "semantic_dedup", wrong, where="gates[1]")


def test_the_model_is_named_by_digest() -> None:
    facts = semantic_dedup().facts
    assert facts["model"] == "wordllama"
    assert all(len(digest) == 64 for digest in facts["files"].values())
