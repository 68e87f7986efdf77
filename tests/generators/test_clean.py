"""What is taken off a teacher's answer, and what is left for the gates to see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.generators.clean import clean_line, trim_to_sentence


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("my parcel is late", "my parcel is late"),
        ("  two\n lines\tand a tab ", "two lines and a tab"),
        ("1. my parcel", "my parcel"),
        ("(12) my parcel", "my parcel"),
        ("3: my parcel", "my parcel"),
        ("- my parcel", "my parcel"),
        ("• my parcel", "my parcel"),
        ("Customer 6: my parcel", "my parcel"),
        ("Agent:hello", "hello"),
        ('"my parcel"', "my parcel"),
        ("“my parcel”", "my parcel"),
        ('2. "my parcel"', "my parcel"),
        ('"', '"'),
        # nothing but numbering or quotes is nothing
        ("", ""),
        (" \n ", ""),
        ("7.", ""),
        ("-", ""),
        ("Customer 6:", ""),
        ('""', ""),
        # what only looks like numbering or quotes stays
        ("3.5 mm jack is broken", "3.5 mm jack is broken"),
        ("10 lamps", "10 lamps"),
        ("12:30 is too late", "12:30 is too late"),
        ("2024. was the year", "2024. was the year"),
        ("-5 degrees inside", "-5 degrees inside"),
        ('"yes" and "no"', '"yes" and "no"'),
        ("'I'm cold'", "'I'm cold'"),
        ('"my parcel', '"my parcel'),
        ("Customers: they wait", "Customers: they wait"),
    ],
)
def test_a_line_is_freed_of_numbering_labels_and_whole_quotes(text: str, line: str) -> None:
    assert clean_line(text) == line


@given(st.text())
def test_a_clean_line_is_one_line_without_blanks_at_its_ends(text: str) -> None:
    line = clean_line(text)
    assert line == line.strip()
    assert len(line.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("no end", ""),
        ("One. Two", "One."),
        ("One. Two!", "One. Two!"),
        ("One? Two… thr", "One? Two…"),
        ('He said "no." Then', 'He said "no."'),
        ("It is 3.5 m", ""),
        ("See example.com for", ""),
        ("One.\n\nTwo", "One."),
        (".", "."),
    ],
)
def test_a_text_cut_off_ends_with_its_last_whole_sentence(text: str, kept: str) -> None:
    assert trim_to_sentence(text) == kept


@given(st.text())
def test_trimming_keeps_a_beginning_and_does_nothing_twice(text: str) -> None:
    kept = trim_to_sentence(text)
    assert text.startswith(kept)
    assert trim_to_sentence(kept) == kept
