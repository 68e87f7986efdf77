import json
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.engines import local
from synth_stack.engines.contract import check_verdicts
from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.dedup.gate import dedup
from synth_stack.registry import bind, registered
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA
from tests.examples import examples
from tests.gates.engine_run import read_verdicts, run_gate
from tests.gates.playing import learn, play
from tests.some_rows import TextsTable

LONG = "please tell me how to cancel the order that I placed on Monday because it has not been sent yet"


def plain_table(texts: Sequence[str | None], **columns: Sequence[Any]) -> pa.Table:
    ids = [f"{k:032x}" for k in range(len(texts))]
    return pa.table({"row_id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string()), **columns})


def judge_table(table: pa.Table, cut: int = 10_000, **params: Any) -> list[dict[str, Any]]:
    judge = dedup(**params)
    shards = [table.slice(first, cut) for first in range(0, max(len(table), 1), cut)]
    state = learn(judge, shards)
    # whatever order they are judged in
    verdicts = [judge.judge(shard, state) for shard in reversed(shards)]
    for shard, found in zip(shards, reversed(verdicts), strict=True):
        check_verdicts("dedup", shard, found)
    return list(pa.concat_tables(reversed(verdicts)).to_pylist())


def judge_texts(texts: Sequence[str | None], cut: int = 10_000, **params: Any) -> list[dict[str, Any]]:
    return judge_table(plain_table(texts), cut, **params)


def shingles(text: str, n: int = 3) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[k : k + n]) for k in range(len(words) - n + 1)} or {tuple(words)}


def plant(rows: int, seed: int) -> list[str]:
    """Random texts, and in four of ten cases an edit of a recent one: chains, copies and near misses."""
    rng = random.Random(seed)
    words = [f"w{k}" for k in range(2000)]
    texts: list[str] = []
    for _ in range(rows):
        if texts and rng.random() < 0.4:
            copy = rng.choice(texts[-200:]).split()
            for _ in range(rng.randint(0, 4)):
                copy[rng.randrange(len(copy))] = rng.choice(words)
            texts.append(" ".join(copy) + rng.choice(["", " ", f" {rng.choice(words)}"]))
        else:
            texts.append(" ".join(rng.choices(words, k=rng.randint(2, 60))))
    return texts


def find_truth(texts: Sequence[str], threshold: float) -> list[tuple[float, int]]:
    """Of each row: the highest Jaccard to an earlier kept row, and that row (-1: none), by brute force."""
    sets = [shingles(text) for text in texts]
    index: dict[tuple[str, ...], list[int]] = {}
    truth = []
    for k, mine in enumerate(sets):
        mates = {j for shingle in mine for j in index.get(shingle, [])}
        best, mate = max(((len(mine & sets[j]) / len(mine | sets[j]), -j) for j in mates), default=(0.0, 1))
        truth.append((best, -mate))
        if best <= threshold:
            for shingle in mine:
                index.setdefault(shingle, []).append(k)
    return truth


def test_an_exact_copy_is_rejected_and_names_its_twin(texts_table: TextsTable) -> None:
    table = texts_table([LONG, "something else entirely is said here", LONG.upper() + "  "])
    [verdicts], _ = play(dedup(), [table])
    assert verdicts.schema == VERDICT_SCHEMA
    first, second, third = verdicts.to_pylist()
    assert [v["outcome"] for v in (first, second, third)] == ["accept", "accept", "reject"]
    assert (first["score"], second["score"], third["score"]) == (0.0, 0.0, 1.0)
    assert (first["reason"], first["reason_class"], first["evidence"]) == (None, None, None)
    assert third["reason_class"] == "dedup.near_duplicate"
    twin = table["row_id"][0].as_py()
    assert third["reason"] == f"near-duplicate: of {twin}, Jaccard 1.000"
    end = len(LONG)
    assert json.loads(third["evidence"]) == {
        "twin": twin,
        "jaccard": 1,
        "span": LONG.upper(),
        "start": 0,
        "end": end,
    }


def test_a_near_copy_shows_the_longest_run_that_both_share() -> None:
    near = LONG.replace("yet", "today")
    verdict = judge_texts([LONG, near], threshold=0.8)[1]
    evidence = json.loads(verdict["evidence"])
    assert verdict["outcome"] == "reject"
    assert evidence["span"] == near.removesuffix(" today") == near[evidence["start"] : evidence["end"]]


def test_exactly_at_the_threshold_a_row_is_accepted() -> None:
    # 17 shared of 20 distinct shingles: 0.85 exactly.
    one = [f"a{k}" for k in range(20)]
    other = [*one[:-1], "b", "c", "d"][:21]
    texts = [" ".join(one), " ".join(other)]
    (_, truth) = find_truth(texts, 0.5)
    assert truth[0] == 17 / 20 == 0.85
    assert [v["outcome"] for v in judge_texts(texts, threshold=0.85)] == ["accept", "accept"]
    assert judge_texts(texts, threshold=0.85)[1]["score"] == 0.85
    assert judge_texts(texts, threshold=0.849)[1]["outcome"] == "reject"


def test_a_row_is_compared_with_kept_rows_only() -> None:
    words = [f"a{k}" for k in range(60)]
    chain = [" ".join([*[f"b{k}" for k in range(step)], *words[step:]]) for step in (0, 4, 8)]
    first, second, third = judge_texts(chain, threshold=0.85)
    assert second["outcome"] == "reject"
    assert third["outcome"] == "accept"
    assert json.loads(second["evidence"])["twin"] == first["row_id"]
    assert third["score"] < 0.85


@pytest.mark.parametrize("short", ["yes", "yes please", "ok", "好"])
def test_a_text_of_fewer_words_than_the_ngram_is_matched_whole(short: str) -> None:
    outcomes = [v["outcome"] for v in judge_texts([short, f"{short} thanks a lot", f" {short.upper()} "])]
    assert outcomes == ["accept", "accept", "reject"]


@pytest.mark.parametrize("nothing", [None, "", " \n\t\u3000"])
def test_a_row_with_nothing_to_read_is_abstained_on(nothing: str | None) -> None:
    for verdict in judge_texts([nothing, LONG, nothing])[::2]:
        assert (verdict["outcome"], verdict["score"], verdict["evidence"]) == ("abstain", None, None)
        assert verdict["reason"].startswith("nothing to read: ")
        assert verdict["reason_class"] == "dedup.nothing_to_read"


def test_an_empty_table_has_no_verdicts() -> None:
    judge = dedup()
    for shards in ([], [plain_table([])]):
        verdicts = judge.judge(plain_table([]), learn(judge, shards))
        assert verdicts.num_rows == 0
        assert verdicts.schema == VERDICT_SCHEMA


@pytest.mark.parametrize(
    "odd", ["\x00" * 50, "\ufffd \u200b", "a" * 200_000, "x " * 50_000, "👩‍👩‍👧‍👦 " * 99, "ﷺ" * 40]
)
def test_odd_and_huge_texts_are_judged(odd: str) -> None:
    verdicts = judge_texts([odd, LONG, odd])
    assert [v["outcome"] for v in verdicts] == ["accept", "accept", "reject"]


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_how_the_batch_is_cut_into_tables_does_not_show(cut: int) -> None:
    texts: list[str | None] = [*plant(150, seed=5), None, *plant(60, seed=5)]
    assert judge_texts(texts, cut=cut) == judge_texts(texts)


@settings(max_examples=examples(40))
@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join), max_size=20),
    st.lists(st.integers(0, 20), max_size=4),
    st.booleans(),
)
def test_any_cut_gives_the_same_verdicts_and_the_same_state(
    texts: list[str], cuts: list[int], ranked: bool
) -> None:
    extra = [json.dumps({"quality": k * 7 % 3}) for k in range(len(texts))]
    table = plain_table(texts, extra=pa.array(extra, pa.string()))
    ranking: dict[str, Any] = {"keep": "best", "score_column": "quality"} if ranked else {}
    judge = dedup(threshold=0.6, **ranking)
    edges = sorted(min(cut, len(texts)) for cut in [0, *cuts, len(texts)])
    parts = [table.slice(a, b - a) for a, b in pairwise(edges)]
    whole, state = play(judge, [table])
    cut, other = play(judge, parts)
    assert pa.concat_tables([*cut, VERDICT_SCHEMA.empty_table()]).equals(whole[0])
    assert state.keys() == other.keys()
    assert all(state[name].equals(other[name]) for name in state)


def test_a_shard_larger_than_the_inner_block_is_judged_alike() -> None:
    texts = [LONG] * 3 + [f"{k} and {k + 1} make {2 * k + 1}" for k in range(3000)] + [LONG]
    assert judge_texts(texts, cut=6000) == judge_texts(texts, cut=300)


def test_the_batch_has_to_be_seen_before_it_is_judged() -> None:
    with pytest.raises(GateError, match="before it saw the batch"):
        dedup().judge(plain_table([LONG]), {})


def test_a_state_from_files_gives_the_same_verdicts_in_this_process_and_in_workers(
    tmp_path: Path, texts_table: TextsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str | None] = [*plant(300, seed=8), None, *plant(40, seed=8)]
    table = texts_table(texts)
    parts = [table.slice(0, 90), table.slice(90, 1), table.slice(91, 0), table.slice(91)]
    here = run_gate(tmp_path / "here", "dedup", {}, parts, canaries=20)
    assert read_verdicts(tmp_path / "here", "dedup").equals(play(dedup(), [table])[0][0])
    monkeypatch.setattr(local, "APART_ROWS", 0)
    assert run_gate(tmp_path / "apart", "dedup", {}, parts, canaries=20) == here


def test_one_row_that_is_in_the_batch_twice_is_not_its_own_duplicate() -> None:
    table = plain_table([LONG, "quite another matter is on my mind today"])
    verdicts = judge_table(pa.concat_tables([table, table.slice(0, 1)]))
    assert [v["outcome"] for v in verdicts] == ["accept"] * 3


@pytest.mark.parametrize("threshold", [0.7, 0.85])
def test_planted_duplicates_are_found_as_all_pairs_find_them(threshold: float) -> None:
    texts = plant(4000, seed=11)
    verdicts = judge_texts(texts, threshold=threshold)
    rejected = [v["outcome"] == "reject" for v in verdicts]
    truth = find_truth(texts, threshold)
    planted = [best > threshold for best, _ in truth]
    found = sum(r and p for r, p in zip(rejected, planted, strict=True))
    assert sum(planted) > 200
    assert found / sum(planted) >= 0.995
    sets = [shingles(text) for text in texts]
    for mine, verdict, (best, _), p in zip(sets, verdicts, truth, planted, strict=True):
        if verdict["outcome"] == "reject":
            assert p, "a row without a close twin was rejected"
            twin = int(json.loads(verdict["evidence"])["twin"], 16)
            assert verdicts[twin]["outcome"] == "accept"
            # less than the best where it copies a row before it, which was compared with fewer
            assert threshold < verdict["score"] == len(mine & sets[twin]) / len(mine | sets[twin]) <= best
        elif verdict["score"]:
            assert threshold - 0.05 < verdict["score"] <= threshold


@settings(max_examples=examples(30))
@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join), max_size=25))
def test_no_reject_is_wrong_whatever_the_texts(texts: list[str]) -> None:
    kept: list[str] = []
    for text, verdict in zip(texts, judge_texts(texts, threshold=0.6), strict=True):
        mine = shingles(text)
        best = max((len(mine & shingles(k)) / len(mine | shingles(k)) for k in kept), default=0.0)
        if verdict["outcome"] == "reject":
            assert verdict["score"] == best > 0.6
        elif verdict["outcome"] == "accept":
            kept.append(text)


def test_a_cluster_of_thousands_keeps_its_first_row_only() -> None:
    words = [f"a{k}" for k in range(100)]
    cluster = [" ".join([*words, f"end{k}"]) for k in range(3000)]
    outcomes = [
        v["outcome"] for v in judge_texts([*cluster, *cluster], max_cluster_share=1.0, shared_rows=None)
    ]
    assert outcomes.count("accept") == 1
    assert outcomes[0] == "accept"
    assert "hold" not in outcomes


def test_a_cluster_that_would_swallow_a_slice_is_held_with_its_size_and_share() -> None:
    texts = [LONG] * 40 + [f"{k} and {k + 1} make {2 * k + 1} in all" for k in range(40)] + [LONG] * 20
    slices = ["orders"] * 60 + ["billing"] * 20 + [None] * 20
    verdicts = judge_table(plain_table(texts, slice=slices), max_cluster_min_rows=10)
    assert [v["outcome"] for v in verdicts] == ["accept"] + ["hold"] * 39 + ["accept"] * 40 + ["reject"] * 20
    held, twin = verdicts[1], verdicts[0]["row_id"]
    assert (
        held["reason"] == f"giant cluster: 39 rows, 0.65 of the slice orders, are near-duplicates of {twin}"
    )
    evidence = json.loads(held["evidence"])
    assert (evidence["cluster_rows"], evidence["cluster_share"], evidence["twin"]) == (39, 0.65, twin)
    assert (held["scope"], verdicts[-1]["scope"]) == ("slice", "row")
    assert held["reason_class"] == "dedup.large_cluster"


def test_rows_without_a_slice_count_against_the_whole_batch() -> None:
    texts = [LONG] * 41 + [f"{k} and {k + 1} make {2 * k + 1} in all" for k in range(59)]
    assert {v["scope"] for v in judge_texts(texts, max_cluster_min_rows=40)[1:41]} == {"batch"}
    held = judge_texts(texts, max_cluster_min_rows=40)[1]
    assert held["reason"].startswith("giant cluster: 40 rows, 0.40 of the batch, are near-duplicates of ")
    for params in ({"max_cluster_min_rows": 41}, {"max_cluster_min_rows": 40, "max_cluster_share": 0.4}):
        assert judge_texts(texts, **params)[1]["outcome"] == "reject"


def rank_texts(texts: Sequence[str], scores: Sequence[Any]) -> set[str]:
    extra = [None if score is None else json.dumps({"quality": score}) for score in scores]
    verdicts = judge_table(plain_table(texts, extra=extra), keep="best", score_column="quality")
    return {text for text, v in zip(texts, verdicts, strict=True) if v["outcome"] == "accept"}


def test_the_better_scored_of_two_twins_is_kept() -> None:
    texts = [LONG, LONG + " please", LONG + " thanks"]
    assert rank_texts(texts, [0.1, 0.9, 0.5]) == {texts[1]}
    assert rank_texts(texts, [-3, None, "best of all"]) == {texts[0]}


def test_keeping_the_best_keeps_the_same_texts_in_any_order() -> None:
    rows = [
        (text, (k * 7) % 5 if k % 3 else None) for k, text in enumerate(dict.fromkeys(plant(300, seed=5)))
    ]
    kept = rank_texts(*zip(*rows, strict=True))
    assert len(kept) < len(rows)
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        assert rank_texts(*zip(*rows, strict=True)) == kept


@pytest.mark.parametrize(
    "extra", [None, "", "no json", "[1]", '{"quality": true}', '{"quality": NaN}', "{" * 999]
)
def test_a_score_that_is_none_ranks_last(extra: str | None) -> None:
    table = plain_table([LONG, LONG + " please"], extra=[extra, '{"quality": -5}'])
    verdicts = judge_table(table, keep="best", score_column="quality")
    assert [v["outcome"] for v in verdicts] == ["reject", "accept"]


@pytest.mark.parametrize("params", [{"keep": "best"}, {"score_column": "quality"}])
def test_keeping_the_best_and_the_column_to_rank_by_go_together(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        dedup(**params)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (
            "我想取消星期一下的订单因为它还没有发货请尽快处理谢谢你们的帮助",
            "我想取消星期一下的订单因为它还没有发货请尽快处理谢谢你们的帮忙",
        ),
        (
            "月曜日に注文した商品がまだ届いていないのでキャンセルしたいです",
            "月曜日に注文した商品がまだ届いていないのでキャンセルしたいなあ",
        ),
        ("ฉันต้องการยกเลิกรายการที่ซื้อเมื่อวันจันทร์เพราะยังไม่ได้ส่ง", "ฉันต้องการยกเลิกรายการที่ซื้อเมื่อวันจันทร์เพราะยังไม่ได้รับ"),
        (
            "please cancel 我的订单 from monday because 它还没有发货 and I need the money",
            "please cancel 我的订单 from monday because 它还没有发货 and I need the cash",
        ),
    ],
)
def test_scripts_without_spaces_are_compared_by_characters(text: str, near: str) -> None:
    other = text[::-1]
    verdicts = judge_texts([text, near, other], threshold=0.7)
    assert [v["outcome"] for v in verdicts] == ["accept", "reject", "accept"]
    evidence = json.loads(verdicts[1]["evidence"])
    assert evidence["span"] == near[evidence["start"] : evidence["end"]]
    assert evidence["span"] in text


def test_the_seed_changes_nothing_that_is_far_from_the_threshold() -> None:
    texts = [LONG, LONG + " please", "quite another matter is on my mind today", LONG.lower()]
    assert judge_texts(texts, seed=1) == judge_texts(texts, seed=2)


def test_prompts_or_answers_alone_can_be_compared(row: Callable[..., dict[str, Any]]) -> None:
    from synth_stack.rows.schemas import build_candidates

    table = build_candidates(
        [
            row(("user", LONG), ("assistant", "Open the orders page and press cancel."), draw=0),
            row(("user", LONG), ("assistant", "You can do that under settings, then orders."), draw=1),
        ]
    )
    assert [v["outcome"] for v in judge_table(table, field="prompt")] == ["accept", "reject"]
    assert [v["outcome"] for v in judge_table(table, field="answer")] == ["accept", "accept"]
    assert [v["outcome"] for v in judge_table(table)] == ["accept", "accept"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.0},
        {"threshold": 0.49},
        {"threshold": "0.9"},
        {"ngram": 0},
        {"ngram": 3.0},
        {"field": "row"},
        {"keep": "last"},
        {"max_cluster_share": 0},
        {"max_cluster_min_rows": 0},
        {"against": ["pack"]},
        {"score_column": "a.b"},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[1\]: " + next(iter(wrong))):
        bind("gate", "dedup", wrong, where="gates[1]")


def test_what_was_used_is_in_the_facts() -> None:
    assert dedup().facts == {
        "bands": 17,
        "rows": 8,
        "text": "synth_stack/text/v1",
        "parts": "synth_stack/row-parts/v1",
        "keys": "synth_stack/bands/v1",
        "scores_above": 0.8,
        "against": [],
    }


def test_the_texts_that_it_reads_and_how_it_is_indexed_are_declared() -> None:
    entry = registered("gate")["dedup"]
    # the column `text` holds what is said and called in the messages and in every alternative
    assert entry.reads == ("content", "tool_calls", "alternatives")
    assert entry.index is not None
    assert entry.version == "4"


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), min_size=1, max_size=4
    )
)
def test_evidence_is_canonical_json(texts: list[str]) -> None:
    for verdict in judge_texts([*texts, *texts], max_cluster_min_rows=2, max_cluster_share=0.2):
        if verdict["evidence"] is not None:
            assert canonical_text(json.loads(verdict["evidence"])) == verdict["evidence"]


def test_a_word_that_normalises_to_a_space_is_nothing_to_read() -> None:
    outcomes = [v["outcome"] for v in judge_texts(["\u2003 \u00a0", "\u00a8", "\u00a8"])]
    assert outcomes == ["abstain", "accept", "reject"]


def test_the_dial_tells_from_the_stored_scores_what_was_decided() -> None:
    texts: list[str | None] = [*plant(100, seed=3), None, *[LONG] * 90]
    verdicts = judge_texts(texts)
    (dial,) = dedup().dials
    assert (dial.parameter, dial.rejects, dial.threshold, dial.lowest) == ("threshold", ">", 0.85, 0.8)
    assert {v["outcome"] for v in verdicts} == {"accept", "reject", "hold", "abstain"}
    for verdict in verdicts:
        if verdict["outcome"] == "abstain":
            assert verdict["score"] is None
        else:
            assert (verdict["score"] > dial.threshold) == (verdict["outcome"] != "accept")
            assert verdict["reason_class"] in {None, *dial.classes}
            assert verdict["score"] == 0 or verdict["score"] > 0.8 - 1e-9
