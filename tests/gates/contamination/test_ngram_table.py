import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.contamination.ngram_table import (
    MAX_OWNERS,
    GramTable,
    Weighed,
    build_table,
    pack_grams,
    roll_ngrams,
    scan,
    weigh,
)
from synth_stack.text.ragged import Counts, Ragged

Documents = list[list[int]]


def words_of(documents: Documents) -> Ragged:
    """Numbers as words: spread over 64 bits, as hashes of words are."""
    flat = np.array([word for document in documents for word in document], dtype=np.uint64)
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    return Ragged(flat * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x94D049BB133111EB), offsets)


def table_of(documents: Documents, n: int) -> GramTable:
    grams = roll_ngrams(Weighed(words_of(documents)), n)[0]
    return build_table(n, pack_grams(grams, np.arange(len(documents)), len(documents)), len(documents))


def find_all(table: GramTable, rows: Documents) -> set[tuple[int, int, int]]:
    """(row, position, document) of every n-gram that the table knows."""
    ((row, position, hashes),) = scan(Weighed(words_of(rows)), [table])
    which, document = table.find(hashes)
    return set(zip(row[which].tolist(), position[which].tolist(), document.tolist(), strict=True))


def expect(documents: Documents, rows: Documents, n: int) -> set[tuple[int, int, int]]:
    """The same by brute force."""
    return {
        (r, p, d)
        for r, row in enumerate(rows)
        for p in range(len(row) - n + 1)
        for d, document in enumerate(documents)
        if row[p : p + n] in [document[k : k + n] for k in range(len(document) - n + 1)]
    }


few_words = st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=8)


@given(few_words, few_words, st.integers(1, 5))
def test_what_is_found_is_what_brute_force_finds(documents: Documents, rows: Documents, n: int) -> None:
    assert find_all(table_of(documents, n), rows) == expect(documents, rows, n)


def test_the_order_of_words_counts_and_so_does_how_often_they_stand() -> None:
    grams = roll_ngrams(Weighed(words_of([[1, 2, 3], [3, 2, 1], [2, 1, 3], [1, 1, 2], [1, 2, 2]])), 3)[0]
    assert len(set(grams.values.tolist())) == 5
    assert grams.lengths.tolist() == [1] * 5


def test_a_run_hashes_alike_wherever_it_stands() -> None:
    rows = [[9] * k + [1, 2, 3, 4] for k in range(0, 70_000, 9_973)]
    grams = roll_ngrams(Weighed(words_of(rows)), 4)[0]
    last = {int(grams.values[end - 1]) for end in grams.offsets[1:].tolist()}
    assert len(last) == 1


def test_rows_shorter_than_the_run_have_none_and_nothing_runs_from_row_to_row() -> None:
    assert roll_ngrams(Weighed(words_of([[1, 2], [], [3]])), 3)[0].lengths.tolist() == [0, 0, 0]
    assert find_all(table_of([[1, 2, 3, 4]], 4), [[1, 2], [3, 4], []]) == set()


def test_an_empty_table_finds_nothing_and_nothing_is_found_in_no_rows() -> None:
    assert find_all(table_of([[1]], 3), [[1, 2, 3]]) == set()
    assert find_all(table_of([[1, 2, 3]], 3), []) == set()


def test_an_ngram_is_traced_to_its_first_owners_only() -> None:
    table = table_of([[1, 2, 3, k] for k in range(10, 10 + 2 * MAX_OWNERS)], 3)
    found = find_all(table, [[1, 2, 3]])
    assert found == {(0, 0, document) for document in range(MAX_OWNERS)}


def test_an_ngram_that_a_document_repeats_is_held_once() -> None:
    assert len(table_of([[7] * 1000, [7] * 10], 3).entries) == 2


def test_few_foreign_ngrams_pass_the_bits() -> None:
    rng = np.random.default_rng(5)

    def draw(n: int) -> Ragged:
        return Ragged(rng.integers(0, 1 << 64, n, dtype=np.uint64), np.array([0, n], dtype=np.int64))

    owner: Counts = np.zeros(1, dtype=np.int64)
    table = build_table(4, pack_grams(roll_ngrams(Weighed(draw(200_000)), 4)[0], owner, 1), 1)
    ((rows, _, hashes),) = scan(Weighed(draw(100_000)), [table])
    assert len(rows) < 0.13 * 100_000
    assert not len(table.find(hashes)[0])
    assert table.bits.nbytes + table.entries.nbytes <= 10 * 200_000


weighed_rows = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([15, 24, 36, 60])), max_size=30), max_size=6
)


@given(weighed_rows, st.integers(1, 4))
def test_a_run_of_light_words_is_as_long_as_it_takes(rows: list[list[tuple[int, int]]], n: int) -> None:
    said = weigh(
        words_of([[word for word, _ in row] for row in rows]),
        np.array([weight for row in rows for _, weight in row], dtype=np.int64),
    )
    grams, sizes = roll_ngrams(said, n)
    expected = []
    for row in rows:
        for first in range(len(row)):
            held = np.cumsum([weight for _, weight in row[first:]])
            if held[-1] >= 60 * n:
                size = int(np.searchsorted(held, 60 * n)) + 1
                expected.append(tuple(word for word, _ in row[first : first + size]))
    assert sizes.tolist() == [len(run) for run in expected]
    assert len(set(grams.values.tolist())) == len(set(expected))
    assert said.weights.tolist() == [sum(weight for _, weight in row) for row in rows]
