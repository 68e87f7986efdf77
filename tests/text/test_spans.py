import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.text import spans
from synth_stack.text.ragged import find_shared
from synth_stack.text.words import hash_ngrams, hash_words, normalise, shingle

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WORDY = st.lists(st.sampled_from(["a", "b", "the", "refund", "¨", "中文", "ทำ", "…", "É"]), max_size=12).map(
    " ".join
)


def test_words_of_ascii_and_other_texts_are_located_side_by_side() -> None:
    series = pl.Series(["  a\tb ", None, "é x", "...", "\x1c c"])
    assert spans.locate_words(series).rows() == [
        (0, 2, 3),
        (0, 4, 5),
        (2, 0, 1),
        (2, 2, 3),
        (3, 0, 3),
        (4, 0, 1),
        (4, 2, 3),
    ]
    bare = spans.locate_words(series, punctuation=False)
    assert bare.rows() == [(0, 2, 3), (0, 4, 5), (2, 0, 1), (2, 2, 3), (4, 0, 1), (4, 2, 3)]


@given(st.lists(WORDY | TEXTS, min_size=1, max_size=5), st.booleans())
def test_every_word_is_located_in_the_text_as_it_came(texts: list[str], punctuation: bool) -> None:
    series = pl.Series(texts)
    words = hash_words(normalise(series, punctuation=punctuation))
    places = spans.locate_words(series, punctuation=punctuation)
    assert np.bincount(places["row"].to_numpy(), minlength=len(texts)).tolist() == words.lengths.tolist()
    for (row, start, end), word in zip(places.rows(), words.values, strict=True):
        piece = normalise(pl.Series([texts[row][start:end]]), punctuation=punctuation)
        assert word in hash_words(piece).values


def test_words_of_unspaced_scripts_are_located_one_by_one() -> None:
    places = spans.locate_words(pl.Series(["ok 中文。字 end"]))
    assert [("ok 中文。字 end"[a:b]) for _, a, b in places.rows()] == ["ok", "中", "文", "。", "字", "end"]


def test_the_longest_shared_run_is_shown_with_its_offsets() -> None:
    series = pl.Series(["x  Where IS my\nparcel today y", "no match"])
    grams = hash_ngrams(hash_words(normalise(series)), 2)
    known = shingle(pl.Series(["where is my parcel today", "q r"]), 2)
    shared = find_shared(grams, np.arange(2), known, np.arange(2))
    found = spans.find_longest_spans(series, shared, grams, 2).rows()
    assert found == [("Where IS my\nparcel today", 3, 27), ("no match", 0, 8)]


def test_a_long_span_is_cut_but_its_offsets_are_not() -> None:
    series = pl.Series(["word " * 500])
    grams = hash_ngrams(hash_words(normalise(series)), 3)
    span, start, end = spans.find_longest_spans(series, np.ones(498, dtype=bool), grams, 3).row(0)
    assert (len(span), start, end) == (500, 0, 2499)
