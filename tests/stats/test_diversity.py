import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from synth_stack.stats.diversity import (
    estimate_new,
    measure_compression,
    measure_distinct,
    measure_effective,
    measure_evenness,
    measure_self_bleu,
    measure_templates,
    measure_vendi,
    subsample,
)
from synth_stack.text.ragged import Ragged
from synth_stack.text.words import hash_ngrams, hash_words

TEXTS = ["the cat sat here", "the cat sat there", "a dog ran off"]


def grams(texts: list[str], n: int) -> Ragged:
    return hash_ngrams(hash_words(pl.Series(texts, dtype=pl.String)), n)


def test_distinct_n_is_distinct_grams_per_gram() -> None:
    assert measure_distinct(grams(TEXTS, 1)) == 9 / 12
    assert measure_distinct(grams(TEXTS, 2)) == 7 / 9
    assert math.isnan(measure_distinct(grams(["one"], 2)))


def test_what_is_new_is_what_was_seen_once() -> None:
    assert estimate_new(grams(TEXTS, 2)) == 5 / 9
    assert estimate_new(grams(["a b a b a b", "a b a b"], 2)) == 0
    assert estimate_new(grams(["a b a b a b", "c d"], 2)) == 1  # what one text repeats counts once
    assert math.isnan(estimate_new(grams([], 2)))


def test_self_bleu_is_one_for_copies_and_near_nothing_for_strangers() -> None:
    copies = [grams(["a b c d e"] * 3, n) for n in (1, 2, 3, 4)]
    strangers = [grams(["a b c d e", "f g h i j", "k l m n o"], n) for n in (1, 2, 3, 4)]
    assert measure_self_bleu(copies) == pytest.approx(1)
    assert measure_self_bleu(strangers) < 0.04
    assert math.isnan(measure_self_bleu([grams(["a b c d"], n) for n in (1, 2, 3, 4)]))


def test_the_vendi_score_counts_different_rows() -> None:
    eye = np.eye(8, dtype=np.float32)
    assert measure_vendi(eye) == pytest.approx(8)
    assert measure_vendi(np.repeat(eye[:2], 5, axis=0)) == pytest.approx(
        2
    )  # more rows than dimensions of one
    assert measure_vendi(np.repeat(eye[:1], 20, axis=0)) == pytest.approx(1)
    assert math.isnan(measure_vendi(np.zeros((3, 4), dtype=np.float32)))


def test_repeated_text_compresses_and_nothing_has_no_ratio() -> None:
    assert measure_compression(["the same words again"] * 100) > 30
    assert math.isnan(measure_compression([]))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_the_effective_number_lies_between_one_and_the_number_of_classes(counts: list[int]) -> None:
    effective = measure_effective(np.array(counts, dtype=np.float64))
    assert 1 - 1e-9 <= effective <= len(counts) + 1e-9


def test_evenness_is_one_for_equal_shares_and_unknown_for_one_class() -> None:
    assert measure_evenness(np.array([3.0, 3.0, 3.0]), 3) == pytest.approx(1)
    assert math.isnan(measure_evenness(np.array([3.0]), 1))
    assert math.isnan(measure_effective(np.zeros(3)))


def test_templates_are_runs_that_several_texts_share() -> None:
    assert measure_templates(grams(TEXTS, 3)) == 2 / 3
    assert measure_templates(grams(["a b c", "d e f"], 3)) == 0
    assert math.isnan(measure_templates(grams(["a"], 3)))


def test_a_subsample_has_its_interval_and_few_rows_have_none() -> None:
    def mean(rows: NDArray[np.int64]) -> float:
        return float(rows.mean())

    value, low, high = subsample(mean, 1000, 50, 20, seed=1)
    assert low < value < high
    assert subsample(mean, 1000, 50, 20, seed=1) == (value, low, high)
    assert subsample(mean, 3, 50, 20, seed=1) == (1, 1, 1)
