"""The names of committed batches."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.generation.parts import batch_file, to_json
from synth_stack.rows.canonical import canonical_json


def test_a_batch_is_named_after_its_place_and_its_items(tmp_path: Path) -> None:
    name = batch_file(tmp_path, 1, 23, [{"draw": 4}]).name
    assert name.startswith("part-01-0000023-")
    assert batch_file(tmp_path, 1, 23, [{"draw": 4}]).name == name
    assert batch_file(tmp_path, 1, 23, [{"draw": 5}]).name != name
    assert batch_file(tmp_path, 1, 23, [{"draw": 4}, {"draw": 5}]).name != name


def test_names_sort_in_the_order_of_work(tmp_path: Path) -> None:
    names = [batch_file(tmp_path, m, b, []).name for m in (0, 1, 10) for b in (0, 9, 10, 12345)]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (2**53 - 1, 2**53 - 1),
        (2**53, str(2**53)),
        (0.1, "0.1"),
        (float("nan"), "nan"),
        ((1, [2]), [1, [2]]),
        ({1: {"a": 2.5}}, {"1": {"a": "2.5"}}),
        ("half a smile \ud83d", "half a smile ?"),
        ({"\ud83d": b"x"}, {"?": "b'x'"}),
    ],
)
def test_what_json_cannot_say_exactly_becomes_text(value: Any, plain: Any) -> None:
    assert to_json(value) == plain


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(_values)
def test_any_value_has_canonical_json_then(value: Any) -> None:
    assert canonical_json(to_json(value))


def test_parts_of_a_later_round_sort_behind_those_of_every_method_before(tmp_path: Path) -> None:
    items = [{"draw": 1}]
    names = [
        batch_file(tmp_path, method, batch, items, round_=round_).name
        for round_ in (0, 1, 10)
        for method in (0, 1)
        for batch in (0, 1)
    ]

    assert names == sorted(names)
    assert max(names) < "part-amended-00000.parquet"
