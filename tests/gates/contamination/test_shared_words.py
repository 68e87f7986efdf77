import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.contamination import shared_words
from synth_stack.gates.contamination.likelihood import Lexicon, read_words
from synth_stack.gates.contamination.shared_words import (
    compare_words,
    index_item_words,
    propose_items,
    read_vocabulary,
)
from tests.examples import examples

NEUTRAL = ["How many apples are left?", "Count the apples.", "Where is the parcel?"]
VOCABULARY = read_vocabulary(Lexicon(NEUTRAL))


def compare(mine: str, item: str) -> dict[str, float]:
    items = index_item_words(VOCABULARY, ["nothing of it", item])
    at = np.array([0]), np.array([1])
    figures = compare_words(VOCABULARY.read([mine]), at[0], items, at[1])
    return {name: float(values[0]) for name, values in figures.items()}


def test_words_shared_and_numbers_lost_are_shares_of_both() -> None:
    item = "12 zebras and 3 emus"
    found = compare("twelve zebras, two lions", item)
    assert found["covered"] == pytest.approx(2 / 5)
    assert found["echoed"] == pytest.approx(2 / 4)
    assert found["nats"] == pytest.approx(2 * np.log(4), abs=1e-5)
    assert found["rare"] == pytest.approx(
        np.log(4), abs=1e-5
    )  # no word of so few texts is rare; the number is
    assert found["lost"] == 0.5
    assert found["differ"] == pytest.approx(2 / 3)  # of 12, 3 and 2 both have 12
    assert compare(item, item) == pytest.approx(
        {"covered": 1, "echoed": 1, "nats": 5 * np.log(4), "rare": 2 * np.log(4), "lost": 0, "differ": 0},
        abs=1e-5,
    )
    assert set(compare("", item).values()) == {0.0, 1.0}  # all of its numbers are lost
    assert set(compare(item, "").values()) == {0.0}


def test_numbers_differ_only_where_both_have_some_and_one_says_nothing() -> None:
    assert compare("5 emus", "7 emus")["differ"] == 1
    assert compare("one of 7 emus", "7 emus")["differ"] == 0
    assert compare("one emu", "7 emus")["differ"] == 0
    assert compare("emus", "7 emus")["differ"] == 0


def spell(number: int) -> str:
    return "q" + "".join("abcdefghij"[int(digit)] for digit in str(number)) + "q"


words = st.lists(
    st.sampled_from("emu zebra Emus 12 twelve countApples the apple 3.5 ox Größe 中".split()), max_size=8
)


@settings(max_examples=examples(60))
@given(st.lists(words, min_size=1, max_size=5), st.lists(words, min_size=1, max_size=5))
def test_figures_are_those_of_the_words_themselves(mine: list[list[str]], items: list[list[str]]) -> None:
    lexicon = Lexicon(NEUTRAL)
    said = VOCABULARY.read([" ".join(each) for each in mine])
    indexed = index_item_words(VOCABULARY, [" ".join(each) for each in items])
    pairs = [(i, j) for i in range(len(mine)) for j in range(len(items))]
    i, j = (np.array(side) for side in zip(*pairs, strict=True))
    figures = compare_words(said, i, indexed, j)
    for k, (a, b) in enumerate(pairs):
        ours, theirs = read_words(" ".join(mine[a])), read_words(" ".join(items[b]))
        told = lexicon.weigh(ours & theirs)
        assert figures["nats"][k] == pytest.approx(told, abs=1e-4)
        assert figures["covered"][k] == pytest.approx(told / max(lexicon.weigh(theirs), 1e-9), abs=1e-4)
        assert figures["echoed"][k] == pytest.approx(told / max(lexicon.weigh(ours), 1e-9), abs=1e-4)


def test_the_items_that_share_the_rarest_words_are_proposed_whatever_stands_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items = [f"the animal {spell(k)} eats leaf {spell(1000 + k % 7)} and sleeps" for k in range(300)]
    indexed = index_item_words(VOCABULARY, items)
    texts = [f"what does the animal {spell(k)} do" for k in (5, 17, 250)] + ["", "nothing of the kind"]
    passage, item = propose_items(indexed, VOCABULARY.read(texts), 2)
    # "animal" is in more items than a word is traced to, so only one is left
    assert list(zip(passage.tolist(), item.tolist(), strict=True)) == [(0, 5), (1, 17), (2, 250)]
    leaf = propose_items(indexed, VOCABULARY.read([f"{spell(1003)} of {spell(10)}"]), 3)[1]
    assert (10 in leaf, len(leaf)) == (True, 3)
    said = VOCABULARY.read(texts)
    figures = compare_words(said, passage, indexed, item)
    monkeypatch.setattr(shared_words, "_EXPANDED", 1)
    monkeypatch.setattr(shared_words, "_CELLS", 1)
    monkeypatch.setattr(shared_words, "_COMPARED", 1)
    again = propose_items(indexed, VOCABULARY.read(texts), 2)
    assert np.array_equal(again[0], passage)
    assert np.array_equal(again[1], item)
    for name, values in compare_words(said, passage, indexed, item).items():
        assert np.array_equal(values, figures[name])


@settings(max_examples=examples(60))
@given(st.lists(words, min_size=1, max_size=9), st.lists(words, min_size=1, max_size=9), st.integers(1, 4))
def test_proposed_are_the_items_that_share_the_heaviest_words(
    mine: list[list[str]], items: list[list[str]], n: int
) -> None:
    lexicon = Lexicon(NEUTRAL)
    indexed = index_item_words(VOCABULARY, [" ".join(each) for each in items])
    passage, item = propose_items(indexed, VOCABULARY.read([" ".join(each) for each in mine]), n)
    for k, ours in enumerate(mine):
        shared = [read_words(" ".join(ours)) & read_words(" ".join(theirs)) for theirs in items]
        scored = sorted((-round(lexicon.weigh(both), 4), j) for j, both in enumerate(shared) if both)
        assert sorted(j for _, j in scored[:n]) == item[passage == k].tolist()
