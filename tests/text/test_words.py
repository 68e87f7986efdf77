import itertools
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.text.fields import read_field, read_messages, read_texts
from synth_stack.text.ragged import Ragged, measure_jaccard, sort_rows, spread
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


def ragged(*rows: list[int]) -> Ragged:
    values = np.array(list(itertools.chain(*rows)), dtype=np.uint64)
    return Ragged(values, np.cumsum([0, *[len(row) for row in rows]]))


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


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=8))
def test_numbers_are_spread_from_each_start(runs: list[tuple[int, int]]) -> None:
    starts, lengths = (np.array([run[k] for run in runs], dtype=np.int64) for k in (0, 1))
    expected = [start + k for start, length in runs for k in range(length)]
    assert spread(starts, lengths).tolist() == expected


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


def test_more_rows_than_sixteen_bits_are_sorted_too() -> None:
    rows = np.arange(70_000)
    sets = sort_rows(np.ones(70_000, dtype=np.uint64), rows, 70_001)
    assert sets.lengths.tolist() == [1] * 70_000 + [0]


@given(st.lists(st.tuples(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30))), max_size=8))
def test_jaccard_is_the_share_of_the_union(pairs: list[tuple[set[int], set[int]]]) -> None:
    left, right = ragged(*[sorted(a) for a, _ in pairs]), ragged(*[sorted(b) for _, b in pairs])
    here = np.arange(len(pairs))
    expected = [len(a & b) / len(a | b) if a | b else 0.0 for a, b in pairs]
    assert measure_jaccard(left, here, right, here).tolist() == expected


def test_jaccard_of_many_large_pairs_stays_exact_across_pieces() -> None:
    left, right = ragged(list(range(3000))), ragged(list(range(1000, 4000)))
    many = np.zeros(3000, dtype=np.int64)
    assert set(measure_jaccard(left, many, right, many).tolist()) == {0.5}


def test_bytes_that_are_no_utf8_read_as_null() -> None:
    surrogate = b"\xed\xa0\x80"
    offsets = np.array([0, 2, 5, 5], dtype=np.int32).tobytes()
    torn = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(offsets), pa.py_buffer(b"ok" + surrogate)]
    )
    assert read_texts(torn).to_list() == ["ok", None, ""]
    assert read_texts(pa.chunked_array([torn, pa.array([None], pa.string())])).to_list() == [
        "ok",
        None,
        "",
        None,
    ]


def candidates(messages: list[list[dict[str, str | None]] | None], texts: list[str | None]) -> pa.Table:
    from synth_stack.rows.schemas import MESSAGES

    return pa.table({"messages": pa.array(messages, MESSAGES), "text": pa.array(texts, pa.string())})


def test_messages_are_read_in_order_and_a_bare_text_stands_in() -> None:
    spoken: list[dict[str, str | None]] = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None},
    ]
    table = candidates([[], spoken, [], None], ["bare", "q", None, "also"])
    expected = [
        (0, 0, "text", "bare"),
        (1, 0, "user", "q"),
        (1, 1, "assistant", None),
        (3, 0, "text", "also"),
    ]
    assert read_messages(table).rows() == expected
    assert read_messages(table.slice(1, 1)).rows() == [(0, 0, "user", "q"), (0, 1, "assistant", None)]
    assert read_messages(table.slice(0, 0)).rows() == []


def test_a_field_is_the_text_or_the_messages_of_one_role() -> None:
    spoken: list[dict[str, str | None]] = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    table = candidates([spoken, []], ["whole", "bare"])
    assert read_field(table, "text").to_list() == ["whole", "bare"]
    assert read_field(table, "prompt").to_list() == ["one\nthree", None]
    assert read_field(table, "answer").to_list() == ["two", None]
