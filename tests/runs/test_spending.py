"""What a run has spent: tokens summed over its rows, time kept over its starts, limits that hold."""

import json
import time
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import StoreError
from synth_stack.files import write_table
from synth_stack.rows.canonical import canonical_text
from synth_stack.runs.folder import list_files
from synth_stack.runs.spending import (
    CLOCK,
    Meter,
    SpendingLimits,
    Spent,
    count_tokens,
    read_seconds,
    sum_tokens,
)
from synth_stack.teachers.teacher import Price
from tests.some_rows import make_texts

PRICE = Price(input_per_million=1.0, output_per_million=10.0)
CALLS = st.dictionaries(
    st.sampled_from(["answer", "instruction", "turn_2"]),
    st.tuples(st.integers(0, 9999), st.integers(0, 9999)),
)


def write_rows(path: Path, *calls: tuple[int, int]) -> pa.Table:
    """A part with one row of one call each."""
    extras = [canonical_text({"tokens": {"answer": list(call)}}) for call in calls]
    rows = make_texts([f"text {i}" for i in range(len(calls))])
    table = rows.set_column(rows.schema.get_field_index("extra"), rows.schema.field("extra"), [extras])
    write_table(path, table)
    return table


@given(st.lists(CALLS, max_size=20))
def test_tokens_are_summed_over_every_call_of_every_row(rows: list[dict[str, tuple[int, int]]]) -> None:
    extras = [
        canonical_text({"tokens": {k: list(v) for k, v in calls.items()}, "title": "t"}) for calls in rows
    ]
    each = [call for calls in rows for call in calls.values()]

    assert sum_tokens(pa.chunked_array([extras], pa.string())) == (
        sum(n for n, _ in each),
        sum(n for _, n in each),
    )


@pytest.mark.parametrize(
    "extra",
    [
        None,
        "",
        "no JSON",
        "[1,2]",
        "{}",
        '{"tokens":{}}',
        '{"tokens":null}',
        '{"text":"\\"tokens\\":{\\"a\\":[7,7]}"}',
        '{"inner":{"tokens":{"a":[7,7]}}}',
    ],
)
def test_what_only_looks_like_tokens_counts_nothing(extra: str | None) -> None:
    counted = '{"tokens":{"answer":[3,4]}}'

    assert sum_tokens(pa.chunked_array([[extra, counted]], pa.string())) == (3, 4)


def test_redacted_copies_repeat_the_tokens_of_their_rows_and_are_not_counted(tmp_path: Path) -> None:
    write_rows(tmp_path / "candidates" / "part-00-0000000-aaaaaaaa.parquet", (5, 6), (7, 8))
    write_rows(tmp_path / "candidates" / "part-amended-00000.parquet", (5, 6))

    assert count_tokens(tmp_path) == (12, 14)


def test_an_empty_folder_has_spent_nothing(tmp_path: Path) -> None:
    assert count_tokens(tmp_path) == (0, 0)
    assert read_seconds(tmp_path) is None


def test_time_is_counted_over_several_starts_and_is_in_no_manifest(tmp_path: Path) -> None:
    for least in (0.02, 0.04):
        with Meter(tmp_path).timing():
            time.sleep(0.02)
        seconds = read_seconds(tmp_path)
        assert seconds is not None
        assert seconds >= least
    assert list_files(tmp_path) == []


def test_a_limit_of_time_is_reached_within_a_start_and_stays_reached(tmp_path: Path) -> None:
    meter = Meter(tmp_path, SpendingLimits(minutes=0.02 / 60))
    with meter.timing():
        assert meter.find_limit() is None
        time.sleep(0.02)
        assert meter.find_limit() == "max_minutes"
    assert meter.find_limit() == "max_minutes"
    assert Meter(tmp_path, SpendingLimits(minutes=0.02 / 60)).find_limit() == "max_minutes"
    assert Meter(tmp_path, SpendingLimits(minutes=60)).find_limit() is None


def test_a_limit_of_cost_counts_the_rows_that_were_there_and_those_that_come(tmp_path: Path) -> None:
    write_rows(tmp_path / "candidates" / "part-00-0000000-aaaaaaaa.parquet", (500_000, 0))
    meter = Meter(tmp_path, SpendingLimits(cost=1.5), {"writer": PRICE})
    assert meter.find_limit() is None

    more = write_rows(tmp_path / "more.parquet", (0, 99_999))
    meter.note(more)
    assert meter.find_limit() is None
    meter.note(more)
    assert meter.find_limit() == "max_cost"


def test_no_batch_is_begun_that_those_under_way_would_leave_nothing_for(tmp_path: Path) -> None:
    meter = Meter(tmp_path, SpendingLimits(cost=4.0), {"writer": PRICE})
    assert [meter.would_pass(n) for n in (0, 1)] == [False, True]  # what a batch costs is not known yet

    meter.note(write_rows(tmp_path / "candidates" / "part-00-0000000-aaaaaaaa.parquet", (1_000_000, 0)))
    assert [meter.would_pass(n) for n in (0, 2, 3)] == [False, False, True]
    again = Meter(tmp_path, SpendingLimits(cost=4.0), {"writer": PRICE})
    assert [again.would_pass(n) for n in (0, 2, 3)] == [False, False, True]
    meter.note(write_rows(tmp_path / "more.parquet", (3_000_000, 0)))
    assert meter.would_pass(0)
    assert not Meter(tmp_path, SpendingLimits(minutes=60)).would_pass(1_000)


def test_a_broken_clock_is_one_sentence(tmp_path: Path) -> None:
    for text in ("", "{}", "[]", '{"seconds":"x"}', '{"seconds":null}'):
        (tmp_path / CLOCK).write_text(text)
        with pytest.raises(StoreError, match="does not say how long the run took"):
            read_seconds(tmp_path)


def test_figures_per_accepted_row_are_none_where_there_is_none_or_nobody_counted() -> None:
    spent = Spent(made=10, accepted=4, input_tokens=100, output_tokens=20, seconds=2.0)
    shares = {"made": 2.5, "input_tokens": 25.0, "output_tokens": 5.0, "seconds": 0.5, "cost": None}

    assert spent.per_accepted() == shares
    assert set(Spent(made=10, accepted=0, input_tokens=1, output_tokens=2).per_accepted().values()) == {None}
    assert orjson.loads(json.dumps(spent.to_json()))["per_accepted"] == shares
