"""Days as people write them in a chat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.text.dates import Day, read_day, read_month


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("3 May", Day(5, 3, None)),
        ("3rd of may 2026", Day(5, 3, 2026)),
        ("21st September", Day(9, 21, None)),
        ("May 3, 2026", Day(5, 3, 2026)),
        ("Sept. 1", Day(9, 1, None)),
        ("dec 24th 2025", Day(12, 24, 2025)),
        ("2026-02-28", Day(2, 28, 2026)),
        ("29 February", Day(2, 29, None)),
        ("29 February 2026", None),
        ("31 June", None),
        ("0 May", None),
        ("2026-13-01", None),
        ("0000-01-01", None),
        ("3/5/2026", None),
        ("May", None),
        ("3 May or 4 May", None),
        ("3 Mayor", None),
        ("", None),
    ],
)
def test_a_day_is_read_whole_or_not_at_all(text: str, day: Day | None) -> None:
    assert read_day(text) == day


@given(st.dates())
def test_the_iso_form_of_every_day_is_read(day: object) -> None:
    found = read_day(str(day))
    assert found is not None
    assert f"{found.year:04}-{found.month:02}-{found.day:02}" == str(day)


@given(st.text(max_size=30))
def test_no_text_at_all_raises(text: str) -> None:
    read_day(text)
    read_month(text)


def test_what_only_one_of_two_days_says_does_not_part_them() -> None:
    month, may, may_2026, may_2025 = Day(5, None, None), Day(5, 3, None), Day(5, 3, 2026), Day(5, 3, 2025)
    assert may.may_be(may_2026)
    assert may_2026.may_be(may)
    assert not may_2026.may_be(may_2025)
    assert not may.may_be(Day(5, 4, None))
    assert month.may_be(may_2026)
    assert not month.may_be(Day(6, 3, None))


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("May", Day(5, None, None)),
        ("sept. 2026", Day(9, None, 2026)),
        ("3 May", None),
        ("Mayor", None),
        ("", None),
    ],
)
def test_a_month_is_read_whole_or_not_at_all(text: str, month: Day | None) -> None:
    assert read_month(text) == month
