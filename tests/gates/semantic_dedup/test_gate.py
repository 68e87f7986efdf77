import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synth_stack.engines import local
from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.gate import Judge, State
from synth_stack.gates.semantic_dedup import clusters, nearest_kept
from synth_stack.gates.semantic_dedup.gate import semantic_dedup
from synth_stack.models.embedders import load_embedder
from synth_stack.registry import bind
from tests.gates.engine_run import read_verdicts, run_gate
from tests.gates.playing import play
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
    shards = [table.slice(first, cut) for first in range(0, max(len(table), 1), cut)]
    verdicts, _ = play(semantic_dedup(**{"field": "text", **params}), shards, name="semantic_dedup")
    return list(pa.concat_tables(verdicts).to_pylist())


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
    assert again["reason_class"] == "semantic_dedup.near_duplicate"
    assert json.loads(again["evidence"]) == {"cosine": again["score"], "twin": first["row_id"]}
    assert 0.9 < again["score"] < 1
    assert (first["score"], first["reason_class"], first["evidence"]) == (0, None, None)


def test_a_copy_has_cosine_one() -> None:
    copy = judge_texts([ASKED, ASKED])[1]
    assert copy["score"] == 1
    assert json.loads(copy["evidence"])["cosine"] == 1


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_row_with_nothing_to_read_is_abstained_on(nothing: str | None) -> None:
    verdict = judge_texts([nothing, ASKED])[0]
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")
    assert verdict["reason_class"] == "semantic_dedup.nothing_to_read"


def test_a_row_is_compared_with_kept_rows_only() -> None:
    texts = [ASKED, AGAIN, "How do I cancel the order my wife placed on Monday?"]
    embed = load_embedder("wordllama").embed
    vectors = embed(texts)
    chained, direct = float(vectors[1] @ vectors[2]), float(vectors[0] @ vectors[2])
    assert direct < chained
    threshold = (chained + direct) / 2
    assert float(vectors[0] @ vectors[1]) > threshold
    assert [v["outcome"] for v in judge_texts(texts, threshold=threshold)] == ["accept", "reject", "accept"]


def assert_seen(judge: Judge, canaries: pa.Table, state: State) -> None:
    kinds = [json.loads(extra)["kind"] for extra in canaries["extra"].to_pylist()]
    said = judge.judge(canaries, state)["outcome"].to_pylist()
    for kind in set(kinds):
        caught = [outcome == "reject" for outcome, own in zip(said, kinds, strict=True) if own == kind]
        assert sum(caught) >= judge.bars[kind] * len(caught)


def test_mixed_rows_pass_and_a_threshold_that_takes_all_turns_them_away(texts_table: TextsTable) -> None:
    texts = [
        "How do I bake bread with rye flour and no yeast at all in it?",
        "Which planets of the solar system have rings around them today?",
        "Write a poem on the fall of the Roman empire for children.",
        "What does a central bank do when prices rise too fast?",
    ]
    table = texts_table(texts)
    for threshold, outcome in ((0.9, "accept"), (0.3, "reject")):
        judge = semantic_dedup(field="text", threshold=threshold)
        assert judge.control is not None
        controls = judge.control(table, 4, 1)
        assert len(controls) >= 2
        _, state = play(judge, [table], controls)
        assert set(judge.judge(controls, state)["outcome"].to_pylist()) == {outcome}


@pytest.mark.parametrize("cut", [1, 7])
def test_how_the_batch_is_cut_into_tables_does_not_show(cut: int) -> None:
    texts: list[str | None] = [*make_questions(40), None, ASKED, AGAIN, *make_questions(5)]
    assert judge_texts(texts, cut=cut) == judge_texts(texts)


def test_clusters_and_canaries_depend_on_no_cut_and_no_canary(
    texts_table: TextsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_WHOLE_ROWS", 100)
    monkeypatch.setattr(clusters, "_CLUSTER_ROWS", 50)
    table, judge = texts_table([*make_questions(200), *make_questions(60)]), semantic_dedup(field="text")
    assert judge.plant is not None
    canaries = judge.plant(table, 40, 1)
    [whole], alone = play(judge, [table])
    parts = [table.slice(0, 1), table.slice(1, 0), table.slice(1, 130), table.slice(131)]
    verdicts, state = play(judge, parts, canaries)
    assert pa.concat_tables(verdicts).equals(whole)
    _, other = play(judge, parts)
    assert all(alone[name].equals(other[name]) for name in alone)
    assert_seen(judge, canaries, state)


def test_the_state_is_small_and_holds_no_vectors(texts_table: TextsTable) -> None:
    table = texts_table([*make_questions(300), ASKED, AGAIN])
    [verdicts], state = play(semantic_dedup(field="text"), [table])
    assert {name: held.schema.names for name, held in state.items()} == {
        "rows": ["id", "readable", "cosine", "twin"],
        "twins": ["row_id"],
    }
    named = {json.loads(text)["twin"] for text in verdicts["evidence"].drop_null().to_pylist()}
    assert set(state["twins"]["row_id"].to_pylist()) == named


def test_a_state_from_files_gives_the_same_verdicts_in_this_process_and_in_workers(
    tmp_path: Path, texts_table: TextsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = texts_table([*make_questions(60), None, ASKED, AGAIN])
    parts, params = [table.slice(0, 30), table.slice(30, 1), table.slice(31)], {"field": "text"}
    here = run_gate(tmp_path / "here", "semantic_dedup", params, parts, canaries=10)
    [expected], _ = play(semantic_dedup(field="text"), [table])
    assert read_verdicts(tmp_path / "here", "semantic_dedup").equals(expected)
    monkeypatch.setattr(local, "APART_ROWS", 0)
    assert run_gate(tmp_path / "apart", "semantic_dedup", params, parts, canaries=10) == here


def test_clusters_find_nearly_what_one_whole_comparison_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*make_questions(1500), *make_questions(300)]
    whole = [v["outcome"] for v in judge_texts(texts, threshold=0.97)]
    monkeypatch.setattr(clusters, "_WHOLE_ROWS", 100)
    monkeypatch.setattr(clusters, "_CLUSTER_ROWS", 100)
    parted = [v["outcome"] for v in judge_texts(texts, threshold=0.97)]
    assert whole[1500:] == ["reject"] * 300 == parted[1500:]
    assert sum(p == w for p, w in zip(parted, whole, strict=True)) > 0.9 * len(texts)


def test_a_cluster_larger_than_a_block_is_settled_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = make_questions(300)
    whole = judge_texts(texts)
    monkeypatch.setattr(nearest_kept, "_BLOCK_ROWS", 16)
    monkeypatch.setattr(nearest_kept, "_KEPT_ROWS", 8)
    assert [v["outcome"] for v in judge_texts(texts)] == [v["outcome"] for v in whole]


def test_canaries_are_caught_and_change_no_verdict_on_the_batch(texts_table: TextsTable) -> None:
    table, judge = texts_table([*make_questions(60), ASKED]), semantic_dedup(field="text")
    assert judge.plant is not None
    canaries = judge.plant(table, 40, 1)
    [said], state = play(judge, [table], canaries)
    assert_seen(judge, canaries, state)
    assert said.to_pylist() == judge_table(table)


def test_rows_that_it_has_not_seen_are_not_judged(texts_table: TextsTable) -> None:
    judge = semantic_dedup()
    with pytest.raises(GateError, match="before it saw the batch"):
        judge.judge(texts_table([ASKED]), {})
    for tables in ([], [texts_table([])]):
        _, state = play(judge, tables)
        assert judge.judge(texts_table([]), state).num_rows == 0
        with pytest.raises(GateError, match="had not seen"):
            judge.judge(texts_table([ASKED]), state)


def test_the_dial_tells_from_the_stored_cosines_what_was_decided() -> None:
    (dial,) = semantic_dedup(threshold=0.8).dials
    assert (dial.parameter, dial.rejects, dial.threshold) == ("threshold", ">", 0.8)
    verdicts = judge_texts([ASKED, AGAIN, OTHER, None], threshold=0.8)
    for verdict in verdicts:
        expected = "accept" if (verdict["score"] or 0) <= dial.threshold else "reject"
        assert verdict["outcome"] == ("abstain" if verdict["score"] is None else expected)
        assert (verdict["reason_class"] in dial.classes) == (verdict["outcome"] == "reject")


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
