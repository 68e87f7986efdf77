"""How long the sides of comparisons are read to be."""

from typing import Any

import pytest

from synth_stack.gates.length_bias.pairs import STEPS, read_pairs
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row


def side(label: str | None, *texts: str | None) -> dict[str, Any]:
    return {"label": label, "messages": [{"role": "assistant", "content": text} for text in texts]}


@pytest.mark.parametrize(
    ("sides", "found"),
    [
        ([side("rejected", "ab"), side("chosen", "abcd")], (4, 2, STEPS)),
        ([side("chosen", "ab", None, "cd"), side("rejected", "äé")], (4, 2, STEPS)),
        ([side("chosen", "ab"), side(None, "a" * 99), side("rejected", "cd")], (2, 2, 0)),
        ([side("chosen", "a" * 99), side("rejected", "a" * 100)], (99, 100, -1)),
        ([side("chosen", None), side("rejected", "abcd")], (0, 4, -2 * STEPS)),
    ],
)
def test_a_pair_has_the_characters_of_both_sides(sides: list[Any], found: tuple[int, int, int]) -> None:
    table = build_candidates([make_row(), {**make_row(draw=1), "kind": "preference", "alternatives": sides}])
    [pair] = read_pairs(table).iter_rows(named=True)
    assert (pair["row"], pair["chosen"], pair["rejected"], pair["step"]) == (1, *found)


def test_rows_with_one_side_make_no_pair() -> None:
    table = build_candidates([{**make_row(), "kind": "preference", "alternatives": [side("chosen", "a")]}])
    assert read_pairs(table).is_empty()
