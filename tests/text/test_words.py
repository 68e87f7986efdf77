import itertools
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.text.words import (
    hash_ngrams,
    hash_texts,
    hash_words,
    list_shingles,
    normalise,
    normalise_text,
    shingle,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WORDY = st.lists(st.sampled_from(["a", "b", "the", "refund", "¨", "中文", "ทำ", "…", "É"]), max_size=12).map(
    " ".join
)

SPACED = st.lists(
    st.sampled_from(["a", "b", "ab", "the", "refund", "refunds", "É", "12345678", "123456789"]), max_size=8
).map(" ".join)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("  Hello\t\n World ", "hello world"),
        ("ﬁne Ⅳ ＡＢＣ", "fine iv abc"),
        ("a\u00a0b\u2028c\u3000d", "a b c d"),
        ("Cafe\u0301", "café"),
        ("\x00", "\x00"),
        ("", ""),
        ("\u3000 \t", ""),
    ],
)
def test_a_text_is_folded_lowered_and_spaced_once(raw: str, plain: str) -> None:
    assert normalise_text(raw) == plain


def test_punctuation_symbols_and_invisible_characters_go_when_asked() -> None:
    assert normalise_text("The co-op's «best» £5,\u200b deal…!", punctuation=False) == "the coops best 5 deal"
    assert normalise_text(" -- !! ", punctuation=False) == ""


def test_null_stays_null_and_order_is_kept() -> None:
    assert normalise(pl.Series(["B", None, "É"])).to_list() == ["b", None, "é"]
    assert normalise(pl.Series([None, None])).to_list() == [None, None]
    assert normalise(pl.Series([], dtype=pl.String)).to_list() == []


def test_every_code_point_normalises_to_something_that_stays() -> None:
    every = pl.Series([chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000])
    once = normalise(every)
    assert (normalise(once) == once).all()


@given(st.lists(TEXTS, max_size=6))
def test_a_text_normalises_alike_alone_and_among_others(texts: list[str]) -> None:
    together = normalise(pl.Series(texts, dtype=pl.String)).to_list()
    assert together == [normalise_text(t) for t in texts]


@given(st.lists(WORDY | TEXTS, max_size=6), st.integers(1, 4))
def test_ngrams_of_many_rows_are_those_of_each_row(texts: list[str], n: int) -> None:
    plain = normalise(pl.Series(texts, dtype=pl.String))
    together = hash_ngrams(hash_words(plain), n)
    alone = [hash_ngrams(hash_words(plain[k : k + 1]), n).values for k in range(len(texts))]
    assert together.lengths.tolist() == [len(values) for values in alone]
    assert together.values.tolist() == list(itertools.chain(*[values.tolist() for values in alone]))


@given(SPACED, SPACED)
def test_equal_words_have_equal_hashes_and_different_words_have_not(one: str, other: str) -> None:
    words = [normalise_text(t).split(" ") if t else [] for t in (one, other)]
    hashes = [hash_words(normalise(pl.Series([t]))).values.tolist() for t in (one, other)]
    assert [len(w) for w in words] == [len(h) for h in hashes]
    for (word, h), (mate, g) in itertools.product(
        *[zip(w, h, strict=True) for w, h in zip(words, hashes, strict=True)]
    ):
        assert (word == mate) == (h == g)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 17, 511, 512, 513, 100_000])
def test_the_last_byte_of_a_long_word_counts(size: int) -> None:
    pair = hash_words(pl.Series(["a" * size, "a" * (size - 1) + "b"]))
    again = hash_words(pl.Series(["x " + "a" * size]))
    assert pair.values[0] != pair.values[1]
    assert again.values[1] == pair.values[0]


def test_word_order_counts_in_an_ngram() -> None:
    grams = hash_ngrams(hash_words(pl.Series(["a b c", "a c b", "c b a"])), 3)
    assert len(set(grams.values.tolist())) == 3


def test_scripts_without_spaces_are_read_character_by_character() -> None:
    words = hash_words(
        normalise(pl.Series(["我想取消订单", "我 想 取 消 订 单", "カード", "Refund 订单 now"]))
    )
    assert words.lengths.tolist() == [6, 6, 3, 4]
    assert words.take(np.array([0])).values.tolist() == words.take(np.array([1])).values.tolist()


def test_a_short_text_is_one_shingle_and_equals_only_itself() -> None:
    sets = shingle(
        normalise(pl.Series(["Hi There", "hi  there", "hi", "there hi", "hi there you", "", None])), 3
    )
    assert sets.lengths.tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert sets.values[0] == sets.values[1]
    assert len(set(sets.values.tolist())) == 4


@given(st.lists(WORDY | TEXTS, max_size=6), st.integers(1, 4))
def test_listed_shingles_are_those_of_the_set_in_the_order_of_the_text(texts: list[str], n: int) -> None:
    plain = normalise(pl.Series(texts, dtype=pl.String))
    listed, sets = list_shingles(plain, n), shingle(plain, n)
    lengths = hash_words(plain).lengths
    assert listed.lengths.tolist() == [min(k, 1) if k < n else k - n + 1 for k in lengths.tolist()]
    for row in range(len(texts)):
        one = np.array([row])
        assert sorted(set(listed.take(one).values.tolist())) == sets.take(one).values.tolist()


def test_listed_shingles_of_long_rows_are_their_ngrams() -> None:
    plain = pl.Series(["a b c a b c", "z y x w"])
    assert (list_shingles(plain, 3).values == hash_ngrams(hash_words(plain), 3).values).all()


@given(st.lists(TEXTS | st.text("a", min_size=500, max_size=520), max_size=6))
def test_texts_hash_alike_when_and_only_when_they_are_equal(texts: list[str]) -> None:
    hashes = hash_texts(pl.Series(texts, dtype=pl.String)).tolist()
    for (one, h), (other, g) in itertools.product(zip(texts, hashes, strict=True), repeat=2):
        assert (one == other) == (h == g)
    nothing = hash_texts(pl.Series([None, ""], dtype=pl.String)).tolist()
    assert nothing[0] == nothing[1]


@given(st.lists(st.text("ab .\t\n\x0b\x1c\u00a0\u2003", max_size=12), max_size=5))
def test_white_space_runs_become_one_space(texts: list[str]) -> None:
    spaces = " \t\n\x0b\u00a0\u2003"
    for raw, plain in zip(texts, normalise(pl.Series(texts, dtype=pl.String)), strict=True):
        parts = "".join(" " if c in spaces else c for c in raw).split(" ")
        assert plain == " ".join(part for part in parts if part)


def test_shingles_are_distinct_and_sorted_within_the_row() -> None:
    sets = shingle(pl.Series(["a b c a b c a b c", "z y x w"]), 3)
    assert sets.lengths.tolist() == [3, 2]
    assert all((np.diff(sets.take(np.array([k])).values.astype(object)) > 0).all() for k in range(2))
