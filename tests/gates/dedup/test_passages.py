import numpy as np
import pytest

from synth_stack.gates.dedup.passages import compare_passages
from synth_stack.text.ragged import Ragged, offsets_of


def compare(one: str, other: str) -> float:
    numbers: dict[str, int] = {}
    rows = [[numbers.setdefault(word, len(numbers) + 1) for word in text.split()] for text in (one, other)]
    values = np.array([number for row in rows for number in row], dtype=np.uint32).astype(np.uint64)
    words = Ragged(values, offsets_of(np.array([len(row) for row in rows])))
    here, there = compare_passages(words, np.array([0, 1]), np.array([1, 0]))
    assert here == there
    return float(here)


PASSAGE = " ".join(f"p{k}" for k in range(60))


@pytest.mark.parametrize(
    "other",
    [
        f"{PASSAGE} who has come here today",
        f"{PASSAGE} who had come here today",
        f"{PASSAGE} who has come here today please",
        PASSAGE,
        f"{PASSAGE.replace('p30', 'q').replace('p33', 'q')} who has come here today",
        "",
    ],
)
def test_edits_are_no_other_passage(other: str) -> None:
    assert compare(f"{PASSAGE} who has come here today", other) == 1


def test_another_question_is_another_passage() -> None:
    assert compare(f"{PASSAGE} who has come here today", f"{PASSAGE} when did you leave them") == 0
    assert 0 < compare(f"{PASSAGE} who has come here today", f"{PASSAGE} when did you come back") < 0.5


def test_more_pairs_than_a_block_are_compared_alike() -> None:
    words = Ragged(np.arange(20, dtype=np.uint32).astype(np.uint64), np.array([0, 10, 20]))
    pairs = np.zeros(5000, dtype=np.int64)
    assert set(compare_passages(words, pairs, pairs + 1).tolist()) == {0.0}
    assert len(compare_passages(words, pairs[:0], pairs[:0])) == 0
