import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.text.json_text import FILLER, blank_escapes, show_escaped


def blank(text: str) -> str:
    return str(blank_escapes(pl.Series([text]))[0])


def show(text: str) -> str:
    return str(show_escaped(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [
        (r"a\nb", "a  b"),
        (r"a\\nb", "a  nb"),
        (r"a\u00e9b", "a      b"),
        (r"a\\u00e9b", "a  u00e9b"),
        ("a\\\nb", "a  b"),
        ("", ""),
        ("no escape: é", "no escape: é"),
    ],
)
def test_an_escape_is_blank_and_all_else_stays_where_it_stood(encoded: str, plain: str) -> None:
    assert blank(encoded) == plain


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [
        (r"a\u00e9b\n", f"a{FILLER * 5}éb  "),
        (r"\\u00e9", "  u00e9"),
        (r"\ud83d\ude00", " " * 12),
        (r"\u0022\u005c\u0000\u000a", " " * 24),
    ],
)
def test_an_escaped_letter_is_shown_but_no_structure_and_nothing_invisible(encoded: str, plain: str) -> None:
    assert show(encoded) == plain


def test_nulls_stay_nulls_and_the_argument_is_not_changed() -> None:
    given_texts = pl.Series([None, r"\u00e9", "a\\n"])
    assert show_escaped(given_texts).to_list() == [None, f"{FILLER * 5}é", "a  "]
    assert given_texts.to_list() == [None, r"\u00e9", "a\\n"]
    assert show_escaped(pl.Series([], dtype=pl.String)).to_list() == []


@settings(deadline=None)
@given(st.text(), st.booleans())
def test_every_character_stays_where_it_stood(said: str, escape: bool) -> None:
    encoded = json.dumps(said, ensure_ascii=escape)
    assert len(blank(encoded)) == len(show(encoded)) == len(encoded)
    assert show(encoded).count('"') == 2
