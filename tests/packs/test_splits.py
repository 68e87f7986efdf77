from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import VerificationError
from synth_stack.packs.splits import (
    MAX_LABEL_CHARS,
    SPLITS,
    SplitTally,
    choose_split,
    list_splits,
    require_split,
    select_split,
)
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import KINDS, build_candidates
from tests.arbitrary_rows import draw_rows
from tests.examples import examples
from tests.lineage.shards import make_candidates


def make_rows(kinds: list[str]) -> pa.Table:
    tables = [make_candidates(1, first=draw, kind=kind) for draw, kind in enumerate(kinds)]
    return pa.concat_tables([make_candidates(0), *tables])


def count_labels(*extras: str | None) -> list[tuple[str | None, str | None, int]]:
    tally = SplitTally()
    for draw, extra in enumerate(extras):
        tally.add_rows(make_candidates(1, first=draw, kind="adversarial", extra=extra))
    return [(label.strategy, label.expected_behaviour, label.rows) for label in tally.count_labels()]


def label(**said: Any) -> str:
    return canonical_text({"adversarial": said})


def test_adversarial_rows_alone_stand_apart() -> None:
    assert {kind for kind in KINDS if choose_split(kind) != "train"} == {"adversarial"}


@settings(max_examples=examples(50))
@given(st.lists(st.sampled_from(KINDS), max_size=12))
def test_every_row_stands_in_one_split_and_in_order(kinds: list[str]) -> None:
    rows = make_rows(kinds)
    selected = {split: select_split(rows, split) for split in SPLITS}
    for split, table in selected.items():
        expected = [row for row in rows.to_pylist() if choose_split(row["kind"]) == split]
        assert table.to_pylist() == expected
        require_split(table, split, name="file")
    assert sum(map(len, selected.values())) == len(rows)


def test_rows_of_one_split_are_not_copied() -> None:
    rows = make_rows(["code", "instruction"])
    assert select_split(rows, "train") is rows


@pytest.mark.parametrize(("split", "stray"), [("train", "adversarial"), ("adversarial", "dialogue")])
def test_the_first_row_of_another_split_is_named(split: str, stray: str) -> None:
    own = "adversarial" if split == "adversarial" else "code"
    rows = make_rows([own, stray, stray])
    said = rf"^f: row {rows['row_id'][1].as_py()} does not belong into the {split} split; seen: kind {stray}"
    with pytest.raises(VerificationError, match=said):
        require_split(rows, split, name="f")


def test_a_pack_has_the_splits_that_have_rows_and_train_where_there_are_none() -> None:
    assert list_splits({}) == list_splits({"train": 0, "adversarial": 0}) == ("train",)
    assert list_splits({"adversarial": 1}) == ("adversarial",)
    assert list_splits({"adversarial": 1, "train": 1}) == ("train", "adversarial")


def test_labels_are_counted_with_the_commonest_first_and_none_last() -> None:
    refused = label(strategy="role_play", expected_behaviour="refuse", target_policy="malware")
    helped = label(strategy="homonym", expected_behaviour="comply")
    assert count_labels("{}", helped, refused, label(strategy="homonym"), refused) == [
        ("role_play", "refuse", 2),
        ("homonym", "comply", 1),
        ("homonym", None, 1),
        (None, None, 1),
    ]


@pytest.mark.parametrize(
    "extra",
    [
        *(None, "", "null", "[]", "{}", "{", "nonsense", "[" * 100_000, '"\\ud800"'),
        *(
            '{"adversarial":1}',
            '{"adversarial":[]}',
            label(),
            label(strategy=5, expected_behaviour=["refuse"]),
        ),
    ],
)
def test_a_row_that_states_no_label_is_counted_without_one(extra: str | None) -> None:
    assert count_labels(extra) == [(None, None, 1)]


def test_an_endless_label_is_cut() -> None:
    ((strategy, _, _),) = count_labels(label(strategy="x" * 10_000))
    assert strategy == "x" * MAX_LABEL_CHARS


def test_a_label_on_a_row_that_is_not_adversarial_is_not_counted() -> None:
    tally = SplitTally()
    tally.add_rows(make_candidates(1, extra=label(strategy="role_play")))
    assert tally.count_labels() == ()


@settings(max_examples=examples(50))
@given(st.lists(st.sampled_from(["code", "adversarial"]), max_size=8), st.integers(1, 8))
def test_splits_are_counted_the_same_in_any_pieces(kinds: list[str], size: int) -> None:
    rows = make_rows(kinds)
    whole, pieces = SplitTally(), SplitTally()
    whole.add_rows(rows)
    for start in range(0, len(rows), size):
        pieces.add_rows(rows.slice(start, size))
    assert pieces.count_splits() == whole.count_splits()
    assert sum(split.rows for split in whole.count_splits()) == len(rows)


_WHOLE = ("width", "height")
"""Fields of an attachment that are whole numbers."""


def measure(value: Any) -> int:
    """The bytes of a nested value, as `SplitCount` says."""
    if isinstance(value, dict | list):
        if isinstance(value, dict):  # a whole number takes its eight bytes where it is null, too
            return sum(8 if name in _WHOLE else measure(inner) for name, inner in value.items())
        return sum(map(measure, value))
    return 0 if value is None else len(value.encode()) if isinstance(value, str) else 1


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(draw_rows(kind=st.just("tool")), min_size=1, max_size=4), st.integers(1, 3))
def test_the_size_of_nested_rows_is_that_of_their_values_however_they_are_cut(
    drafts: list[dict[str, Any]], size: int
) -> None:
    tally = SplitTally()
    table = build_candidates(drafts)
    for start in range(0, len(table), size):
        tally.add_rows(table.slice(start, size))
    fixed = {"draw": 8, "rng_seed": 8, "replayable": 1}
    expected = sum(
        fixed.get(name, measure(value)) for row in table.to_pylist() for name, value in row.items()
    )
    assert [(split.rows, split.num_bytes) for split in tally.count_splits()] == [(len(table), expected)]
