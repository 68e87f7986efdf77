from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ModelError
from synth_stack.models.files import HATE_NGRAMS, find_model
from synth_stack.models.hate_ngrams import (
    LABELS,
    SCHEMA,
    HateNgrams,
    cut_hashes,
    hash_letters,
    hash_pairs,
    list_tokens,
    read_weights,
)
from synth_stack.text.hash_index import HashIndex
from synth_stack.text.words import hash_texts
from tests.examples import examples

PACKAGED = read_weights(find_model(HATE_NGRAMS).read_bytes(), "x")


def read_tokens(text: str) -> list[str]:
    tokens = list_tokens(pl.Series([text]))
    return [tokens.distinct[int(k)] for k in tokens.codes]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don’t  SHOUT!!", ["don't", "shout", "!", "!"]),
        ("ｆｕｌｌ width 🧘🏿‍♀️ ☠️", ["full", "width"]),
        ("x2 = f(3.5)\n\tй́", ["x2", "=", "f", "(", "3", ".", "5", ")", "й́"]),
        ("\x00\u200d \n", []),
        ("", []),
    ],
)
def test_tokens_are_words_and_single_signs(text: str, tokens: list[str]) -> None:
    assert read_tokens(text) == tokens


def test_emoji_are_signs_where_a_model_is_fitted() -> None:
    assert list_tokens(pl.Series(["Hi 🧘🏿‍♀️!"]), emoji=True).distinct.to_list() == [
        "hi",
        "🧘",
        "🏿",
        "♀",
        "!",
    ]


def test_letters_are_runs_within_a_word_and_its_ends() -> None:
    grams = hash_letters(pl.Series(["ab", "b", "!", "", "é" * 1000]))
    # " ab " has 3 runs of two, 2 of three and one of four; of a long word 40 characters count
    assert grams.lengths.tolist() == [6, 3, 0, 0, 41 + 40 + 39 + 38]
    assert len(np.unique(grams.values[:6])) == 6
    shared = np.intersect1d(grams.values[:6], grams.values[6:9])
    assert len(shared) == 1  # "b "


def test_the_order_of_a_pair_counts_and_a_repeated_pair_does_not() -> None:
    tokens = list_tokens(pl.Series(["a b a b", "b a", "a", "a b"]))
    hashes, rows = hash_pairs(tokens)
    assert rows.tolist() == [0, 0, 1, 3]
    assert hashes[2] in hashes[:2]
    assert hashes[3] in set(hashes[:2]) - {hashes[2]}


def test_a_score_is_the_sum_of_what_is_known_over_the_length() -> None:
    words = np.sort(cut_hashes(hash_texts(pl.Series(["bad", "day"]))))
    bad = np.searchsorted(words, cut_hashes(hash_texts(pl.Series(["bad"])))[0])
    weights = np.zeros((2, len(LABELS)), dtype=np.float32)
    weights[bad] = [4, 0]
    none = HashIndex.of(np.zeros(1, dtype=np.uint32))
    zero = np.zeros((1, len(LABELS)), dtype=np.float32)
    model = HateNgrams(
        {"word": HashIndex.of(words), "pair": none, "letters": none},
        {"word": weights, "pair": zero, "letters": zero},
        np.array([-1.0, -2.0]),
        0.0,
    )
    scores = model.score(pl.Series(["bad", "bad bad bad", "bad day", "a b c bad", "...", ""]))
    logits = np.log(scores) - np.log1p(-scores)
    assert logits[0] == pytest.approx([4 / np.sqrt(1 + 3) - 1, -2])
    assert scores[1].tolist() == scores[0].tolist()
    assert logits[2] == pytest.approx([4 / np.sqrt(2 + 3) - 1, -2])
    assert np.isnan(scores[3:]).all()  # too few words are known, or there is none


@settings(deadline=None, max_examples=examples(50))
@given(st.lists(st.text(max_size=60), max_size=8))
def test_the_score_of_a_text_does_not_depend_on_the_others(texts: list[str]) -> None:
    together = PACKAGED.score(pl.Series(texts, dtype=pl.String))
    assert together.shape == (len(texts), len(LABELS))
    alone = [PACKAGED.score(pl.Series([text], dtype=pl.String))[0] for text in texts]
    np.testing.assert_array_equal(together, np.reshape(alone, together.shape))
    told = together[~np.isnan(together)]
    assert ((told >= 0) & (told <= 1)).all()


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path) -> None:
    def write(table: pa.Table) -> bytes:
        file = BytesIO()
        pq.write_table(table, file)
        return file.getvalue()

    empty = SCHEMA.empty_table()
    numbers = {"step": "1,1,1,1,1,1", "bias": "0,0", "excess": "0"}
    for data, told in (
        (b"PAR1 no", "does not hold weights"),
        (write(empty), "does not hold weights"),
        (write(empty.replace_schema_metadata(numbers | {"step": "1,x"})), "does not hold weights"),
        (write(pa.table({"a": [1]}, metadata=numbers)), "does not hold weights"),
        (write(empty.replace_schema_metadata(numbers)), "no weights of the part word"),
    ):
        with pytest.raises(ModelError, match=told):
            read_weights(data, "x.parquet")


def test_the_packaged_weights_are_small_and_sorted() -> None:
    assert find_model(HATE_NGRAMS).stat().st_size < 2_000_000
    for index in PACKAGED.hashes.values():
        assert (np.diff(index.hashes.astype(np.int64)) > 0).all()
