"""Rows that share a text and say something else, beside copies of them: what is turned away and what is not."""

import json
import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.engines.contract import check_verdicts
from synth_stack.gates.dedup.gate import dedup
from tests.gates.dedup.batches import (
    STOCK,
    Speaker,
    list_classified,
    list_instructions,
    list_reading,
    list_refusals,
    make_dialogues,
    make_pairs,
)
from tests.gates.playing import play
from tests.some_rows import TextsTable


def judge(*tables: pa.Table, **params: Any) -> list[dict[str, Any]]:
    said, _ = play(dedup(**params), list(tables), name="dedup")
    return [verdict for verdicts in said for verdict in verdicts.to_pylist()]


def outcomes(*tables: pa.Table, **params: Any) -> list[str]:
    return [verdict["outcome"] for verdict in judge(*tables, **params)]


def judge_pairs(pairs: Sequence[tuple[str, str]], **params: Any) -> list[str]:
    return outcomes(make_pairs(list(pairs)), **params)


def swap_word(text: str, place: int, word: str = "quince") -> str:
    words = text.split(" ")
    words[place] = word
    return " ".join(words)


@pytest.mark.parametrize(
    "pairs",
    [
        list_reading(40),
        list_reading(40, questions=3),
        list_classified(400),
        list_classified(60, label="order"),
        list_refusals(100),
        list_instructions(100),
    ],
    ids=["reading", "three questions", "classified", "one label", "refusals", "instructions"],
)
def test_rows_that_share_a_text_and_ask_something_else_are_accepted(pairs: list[tuple[str, str]]) -> None:
    assert set(judge_pairs(pairs)) == {"accept"}


def test_dialogues_under_one_system_prompt_are_accepted() -> None:
    assert set(outcomes(make_dialogues(60))) == {"accept"}


@pytest.mark.parametrize("pairs", [list_reading(8), list_classified(60)], ids=["reading", "classified"])
@pytest.mark.parametrize("place", [3, 40, -5], ids=["instruction", "shared text", "question"])
def test_a_row_with_one_word_exchanged_is_a_duplicate_wherever_the_word_stands(
    pairs: list[tuple[str, str]], place: int
) -> None:
    edited = [(swap_word(asked, place), answered) for asked, answered in pairs[::7]]
    assert set(judge_pairs([*pairs, *edited])[len(pairs) :]) == {"reject"}


def test_a_copy_of_a_row_that_shares_its_text_with_others_is_a_duplicate() -> None:
    pairs = list_reading(4)
    copies = [(asked.upper(), f" {answered}") for asked, answered in pairs]
    assert judge_pairs([*pairs, *copies]) == ["accept"] * len(pairs) + ["reject"] * len(pairs)


@pytest.mark.parametrize("copies", [2, 3, 10, 60])
def test_a_cluster_of_copies_does_not_hide_itself_as_shared_text(copies: int) -> None:
    speaker = Speaker(9)
    asked, answered = speaker.say(80), speaker.say(60)
    rng = random.Random(copies)
    edited = [swap_word(asked, rng.randrange(80), rng.choice(["quince", "sloe"])) for _ in range(copies)]
    pairs = [(some, answered) for some in (asked, *edited)]
    found = judge_pairs([*pairs, *list_instructions(40)], max_cluster_share=1.0)
    assert found[: len(pairs)] == ["accept"] + ["reject"] * copies


def test_a_cluster_of_copies_of_one_question_leaves_the_others_alone() -> None:
    pairs = list_reading(1, questions=6)
    asked, answered = pairs[0]
    copies = [(swap_word(asked, place), answered) for place in range(20, 60, 5)]
    found = judge_pairs([*pairs, *copies], max_cluster_share=1.0)
    assert found == ["accept"] * len(pairs) + ["reject"] * len(copies)


def test_the_same_question_with_another_answer_is_no_duplicate() -> None:
    pairs = list_reading(1)
    asked, _ = pairs[0]
    speaker = Speaker(3)
    others = [(asked, speaker.say(4)), (asked, speaker.say(40)), (asked, "maybe")]
    assert set(judge_pairs([*pairs, *others])) == {"accept"}


def test_short_answers_have_to_be_the_same_but_for_case_and_punctuation() -> None:
    asked, _ = list_reading(1)[0]
    pairs = [(asked, "Yes."), (swap_word(asked, 50), "yes"), (asked, "no"), (asked, "not yes")]
    assert judge_pairs(pairs) == ["accept", "reject", "accept", "accept"]


def test_one_stock_answer_with_the_same_question_is_a_duplicate() -> None:
    pairs = [
        *list_refusals(20),
        ("May I ask you for a table!", STOCK),
        ("May I ask you for a table?", STOCK),
    ]
    assert judge_pairs(pairs)[-2:] == ["accept", "reject"]


def test_a_slot_of_one_word_tells_rows_apart_where_many_share_the_template() -> None:
    template = Speaker(6).say(60)
    pairs = [
        (f"{template} Word: {word}", "noun") for word in ("apple", "pear", "plum", "fig", "lime", "date")
    ]
    pairs += [(f"{template} Word: {word}", "noun") for word in ("quince", "sloe", "medlar", "Plum!")]
    assert judge_pairs(pairs) == ["accept"] * 9 + ["reject"]


def test_texts_without_messages_are_compared_by_their_slots_too(texts_table: TextsTable) -> None:
    texts = [f"{asked}\n{answered}" for asked, answered in list_classified(40)]
    edited = [swap_word(text, 85) for text in texts[:5]]
    assert outcomes(texts_table([*texts, *edited])) == ["accept"] * 40 + ["reject"] * 5
    assert outcomes(texts_table(texts), shared_rows=None).count("reject") > 0


@pytest.mark.parametrize("shared_rows", [None, 10_000])
def test_without_setting_shared_text_apart_rows_with_one_label_are_rejected(shared_rows: int | None) -> None:
    speaker = Speaker(8)
    template, words = speaker.say(200), speaker.say(9).split()
    pairs = []
    for _ in range(40):
        words[1], words[4], words[7] = speaker.say(3).split()
        pairs.append((f"{template} Message: {' '.join(words)}", "order"))
    assert set(judge_pairs(pairs)) == {"accept"}
    found = judge_pairs(pairs, shared_rows=shared_rows, max_cluster_share=1.0)
    assert found.count("reject") > 30


def mix_batch() -> pa.Table:
    pairs = [*list_reading(8), *list_classified(60), *list_refusals(20), *list_instructions(20)]
    edited = [(swap_word(asked, -2), answered) for asked, answered in pairs[::5]]
    return pa.concat_tables([make_pairs([*pairs, *edited, *pairs[::11]]), make_dialogues(10)])


@pytest.mark.parametrize("cut", [1, 17, 64])
def test_how_a_batch_that_shares_text_is_cut_does_not_show(cut: int) -> None:
    table = mix_batch().combine_chunks()
    [whole], state = play(dedup(), [table])
    parts, other = play(dedup(), [table.slice(first, cut) for first in range(0, len(table), cut)])
    assert pa.concat_tables(parts).combine_chunks().equals(whole)
    assert all(state[name].equals(other[name]) for name in state)


def test_the_order_of_rows_changes_nothing_but_which_of_two_twins_is_kept() -> None:
    table = mix_batch().combine_chunks()
    places = list(range(len(table)))
    random.Random(4).shuffle(places)
    found, other = (sorted(outcomes(rows)) for rows in (table, table.take(places)))
    assert found == other


def test_evidence_shows_what_is_set_apart_and_what_is_compared() -> None:
    pairs = list_reading(2)
    asked, answered = pairs[0]
    table = make_pairs([*pairs, (swap_word(asked, -3), answered)])
    [verdicts], _ = play(dedup(), [table], name="dedup")
    check_verdicts("dedup", table, verdicts)
    verdict = verdicts.to_pylist()[-1]
    evidence = json.loads(verdict["evidence"])
    question = swap_word(asked, -3).rpartition("Question: ")[2]
    assert evidence["compared"] == question.rstrip("?")
    assert evidence["compared_words"] == len(question.split())
    assert evidence["apart"].startswith("answer from the passage passage ")
    assert len(evidence["apart"]) <= 200
    assert evidence["apart_words"] == len(asked.split()) - len(question.split())
    assert verdict["score"] == min(evidence["jaccard"], evidence["question"], evidence["answer"])
    assert evidence["answer"] == 1
    assert f"question {evidence['question']:.3f}, answer 1.000" in verdict["reason"]


def test_rows_of_one_character_and_none_are_judged() -> None:
    speaker = Speaker(1)
    odd = [
        ("a", "b"),
        ("", ""),
        ("?", "!"),
        ("a", ""),
        (speaker.say(40), ""),
        ("", speaker.say(40)),
        ("好", "是"),
    ]
    found = judge_pairs([*odd, *odd])
    assert "reject" in found
    assert judge_pairs(odd[:1]) == ["accept"]


def test_ten_thousand_identical_rows_are_a_large_cluster() -> None:
    pairs = [list_reading(1)[0]] * 10_000
    found = judge_pairs(pairs)
    assert (found[0], set(found[1:])) == ("accept", {"hold"})
