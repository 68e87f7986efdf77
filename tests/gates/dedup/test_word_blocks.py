import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.dedup import word_blocks
from synth_stack.gates.dedup.word_blocks import HashTable, WordBlocks, find_runs
from synth_stack.text.ragged import Ragged, offsets_of


def make_words(rows: list[list[int]]) -> Ragged:
    values = np.array([word for row in rows for word in row], dtype=np.uint32).astype(np.uint64)
    return Ragged(values, offsets_of(np.array([len(row) for row in rows], dtype=np.int64)))


@given(st.lists(st.lists(st.integers(0, 3), max_size=9), min_size=1, max_size=9))
def test_equal_windows_of_one_row_have_one_hash_and_others_others(rows: list[list[int]]) -> None:
    known: dict[tuple[int, ...], int] = {}
    for block in WordBlocks(make_words(rows)):
        for at, window in enumerate(block.windows.tolist()):
            row, place = rows[block.row[at]], at - int(block.starts[at])
            words = tuple(row[place : place + 5])
            assert (window == 0) == (len(words) < 5)
            if window:
                assert known.setdefault(words, window) == window
    assert len(set(known.values())) == len(known)


def test_how_rows_are_cut_into_blocks_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_words([[k % 7, *range(k % 11)] for k in range(60)])
    whole = np.concatenate([block.windows for block in WordBlocks(rows)])
    monkeypatch.setattr(word_blocks, "_BLOCK_WORDS", 20)
    monkeypatch.setattr(word_blocks, "_KEPT_WORDS", 0)
    blocks = WordBlocks(rows)
    for _ in range(2):
        assert np.array_equal(np.concatenate([block.windows for block in blocks]), whole)


@given(st.sets(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 2**64 - 1)))
def test_a_table_finds_its_keys_and_no_others(keys: set[int], others: list[int]) -> None:
    ordered = sorted(keys)
    table = HashTable(np.array(ordered, dtype=np.uint64))
    assert table.find(np.array(ordered, dtype=np.uint64)).tolist() == list(range(len(ordered)))
    found = table.find(np.array(others, dtype=np.uint64)).tolist()
    assert found == [ordered.index(key) if key in keys else -1 for key in others]


def test_keys_with_the_same_low_end_are_told_apart() -> None:
    keys = np.array([1, 1 + 2**40, 1 + 2**41], dtype=np.uint64)
    assert HashTable(keys).find(np.append(keys, np.uint64(1 + 2**42))).tolist() == [0, 1, 2, -1]


def test_runs_end_where_rows_end() -> None:
    first, end = find_runs(np.array([1, 1, 1, 0, 1], dtype=bool), np.array([0, 0, 1, 1, 1]))
    assert (first.tolist(), end.tolist()) == ([0, 2, 4], [2, 3, 5])
