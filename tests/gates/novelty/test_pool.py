"""The pool: its searches are exact, whatever was left out on the way."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.novelty.pool import Nearest, TextPool
from synth_stack.gates.novelty.rouge_l import measure_rouge_l, read_words
from synth_stack.text.ragged import Ragged

texts = st.lists(
    st.lists(st.sampled_from("a b c d e f g h".split()), max_size=12).map(" ".join), min_size=1, max_size=40
)


def search_all(words: Ragged, number: int, pool: list[int], without: int) -> Nearest:
    """Every pair, one after the other."""
    best = Nearest(-1, 0.0)
    parts = [words.values[words.offsets[k] : words.offsets[k + 1]] for k in range(len(words.lengths))]
    for other in pool:
        shares = set(parts[number].tolist()) & set(parts[other].tolist())
        found = measure_rouge_l(parts[number], parts[other])
        if other != without and shares and found > best.rouge_l:
            best = Nearest(other, found)
    return best


@given(texts, st.integers(-1, 40))
def test_the_nearest_is_the_one_of_all_pairs(said: list[str], without: int) -> None:
    words = read_words(pl.Series(said))
    pool, taken = TextPool(words), list[int]()
    for number in range(len(said)):
        assert pool.find_nearest(number, [without]) == search_all(words, number, taken, without)
        if number % 3:
            pool.add(number)
            taken.append(number)


def test_no_pair_above_the_bound_is_lost_among_many_rows() -> None:
    rng = np.random.default_rng(7)
    vocabulary = np.array([f"w{k}" for k in range(60)])
    said = [" ".join(rng.choice(vocabulary, rng.integers(3, 25))) for _ in range(300)]
    for k in range(0, 300, 5):  # a copy of another with a word taken out
        parts = said[(k + 150) % 300].split()
        said[k] = " ".join(parts[: len(parts) // 2] + parts[len(parts) // 2 + 1 :])
    words = read_words(pl.Series(said))
    pool = TextPool(words)
    for number in range(300):
        assert pool.find_nearest(number) == search_all(words, number, list(range(number)), -1)
        pool.add(number)


def test_a_text_is_not_in_the_pool_before_it_is_added() -> None:
    pool = TextPool(read_words(pl.Series(["one two", "one two", ""])))
    assert pool.find_nearest(1) == Nearest(-1, 0.0)
    pool.add(0)
    assert pool.find_nearest(1) == Nearest(0, 1.0)
    assert pool.find_nearest(1, without=[0]) == Nearest(-1, 0.0)
    assert pool.find_nearest(2) == Nearest(-1, 0.0)


def test_of_equals_the_earliest_is_named() -> None:
    pool = TextPool(read_words(pl.Series(["one two", "one three", "one four"])))
    for number in (0, 1):
        pool.add(number)
    assert pool.find_nearest(2) == Nearest(0, 0.5)


def test_an_empty_pool_has_no_neighbour() -> None:
    pool = TextPool(read_words(pl.Series(["", None], dtype=pl.String)))
    pool.add(0)
    assert pool.find_nearest(1) == Nearest(-1, 0.0)
