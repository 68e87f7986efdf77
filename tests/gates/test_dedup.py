import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ConfigError
from synth_stack.gates.dedup import dedup
from synth_stack.registry import bind
from synth_stack.rows import VERDICT_SCHEMA

TextsTable = Callable[[Sequence[str | None]], pa.Table]

LONG = "please tell me how to cancel the order that I placed on Monday because it has not been sent yet"


def plain_table(texts: Sequence[str | None]) -> pa.Table:
    ids = [f"{k:032x}" for k in range(len(texts))]
    return pa.table({"row_id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})


def judge_texts(texts: Sequence[str | None], cut: int = 10_000, **params: Any) -> list[dict[str, Any]]:
    judge, table = dedup(**params).judge, plain_table(texts)
    verdicts = [judge(table.slice(first, cut)) for first in range(0, max(len(texts), 1), cut)]
    return list(pa.concat_tables(verdicts).to_pylist())


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
    kept: list[int] = []
    truth = []
    for k, mine in enumerate(sets):
        scored = [(len(mine & sets[j]) / len(mine | sets[j]), -j) for j in kept]
        best, mate = max(scored, default=(0.0, 1))
        truth.append((best, -mate))
        if best <= threshold:
            kept.append(k)
    return truth


def test_an_exact_copy_is_rejected_and_names_its_twin(texts_table: TextsTable) -> None:
    table = texts_table([LONG, "something else entirely is said here", LONG.upper() + "  "])
    verdicts = dedup().judge(table)
    assert verdicts.schema == VERDICT_SCHEMA
    first, second, third = verdicts.to_pylist()
    assert [v["outcome"] for v in (first, second, third)] == ["accept", "accept", "reject"]
    assert (first["score"], second["score"], third["score"]) == (0.0, 0.0, 1.0)
    assert (first["reason"], first["evidence"]) == (None, None)
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


def test_an_empty_table_has_no_verdicts() -> None:
    verdicts = dedup().judge(plain_table([]))
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
    texts: list[str | None] = [*plant(300, seed=5), None, *plant(60, seed=5)]
    assert judge_texts(texts, cut=cut) == judge_texts(texts)


def test_a_block_larger_than_the_inner_one_is_judged_alike() -> None:
    texts = [LONG] * 3 + [f"{k} and {k + 1} make {2 * k + 1}" for k in range(5000)] + [LONG]
    assert judge_texts(texts, cut=6000) == judge_texts(texts, cut=100)


@pytest.mark.parametrize("threshold", [0.7, 0.85])
def test_planted_duplicates_are_found_as_all_pairs_find_them(threshold: float) -> None:
    texts = plant(2500, seed=11)
    verdicts = judge_texts(texts, threshold=threshold)
    rejected = [v["outcome"] == "reject" for v in verdicts]
    truth = find_truth(texts, threshold)
    planted = [best > threshold for best, _ in truth]
    found = sum(r and p for r, p in zip(rejected, planted, strict=True))
    assert sum(planted) > 200
    assert found / sum(planted) >= 0.995
    for verdict, (best, mate), p in zip(verdicts, truth, planted, strict=True):
        if verdict["outcome"] == "reject":
            assert p, "a row without a close twin was rejected"
            assert verdict["score"] == best
            assert json.loads(verdict["evidence"])["twin"] == f"{mate:032x}"


@settings(max_examples=30, deadline=None)
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
    outcomes = [v["outcome"] for v in judge_texts([*cluster, *cluster])]
    assert outcomes.count("accept") == 1
    assert outcomes[0] == "accept"


def test_the_seed_changes_nothing_that_is_far_from_the_threshold() -> None:
    texts = [LONG, LONG + " please", "quite another matter is on my mind today", LONG.lower()]
    assert judge_texts(texts, seed=1) == judge_texts(texts, seed=2)


def test_prompts_or_answers_alone_can_be_compared(row: Callable[..., dict[str, Any]]) -> None:
    from synth_stack.rows import build_candidates

    table = build_candidates(
        [
            row(("user", LONG), ("assistant", "Open the orders page and press cancel."), draw=0),
            row(("user", LONG), ("assistant", "You can do that under settings, then orders."), draw=1),
        ]
    )
    assert dedup(field="prompt").judge(table)["outcome"].to_pylist() == ["accept", "reject"]
    assert dedup(field="answer").judge(table)["outcome"].to_pylist() == ["accept", "accept"]
    assert dedup().judge(table)["outcome"].to_pylist() == ["accept", "accept"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.0},
        {"threshold": 0.49},
        {"threshold": "0.9"},
        {"ngram": 0},
        {"ngram": 3.0},
        {"field": "row"},
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
        "reject_when": "score > threshold",
    }
