"""Grammars: what llama.cpp, a pattern and a draw make of one is the same set of texts."""

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from synth_stack.teachers.grammar import (
    Choice,
    Grammar,
    Series,
    draw_text,
    list_texts,
    write_gbnf,
    write_pattern,
)

GREETING = Series(
    (Choice(("Hi", "Hello there", "")), " ", Choice(("you", Series(("all", Choice(("", " of you")))))))
)

GRAMMARS = st.recursive(
    st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: Series(tuple(parts)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda options: Choice(tuple(options)))
    ),
    max_leaves=8,
)


def test_every_text_of_a_grammar_is_listed() -> None:
    assert set(list_texts(GREETING)) == {
        f"{first} {rest}" for first in ("Hi", "Hello there", "") for rest in ("you", "all", "all of you")
    }


def test_a_grammar_is_one_rule_of_gbnf() -> None:
    assert write_gbnf(Series(("a", Choice(("b", ""))))) == 'root ::= "a" ("b" | "")\n'
    assert write_gbnf("") == 'root ::= ""\n'


def test_what_would_end_a_string_of_gbnf_is_escaped() -> None:
    assert write_gbnf('say "no"\\\n£ 🦊') == 'root ::= "say \\"no\\"\\\\\\u000a\\u00a3 \\U0001f98a"\n'


@given(GRAMMARS, st.integers(0, 1000))
def test_a_draw_is_a_text_of_the_grammar_that_its_pattern_matches(grammar: Grammar, seed: int) -> None:
    drawn = draw_text(grammar, random.Random(seed))
    assert drawn in set(list_texts(grammar))
    assert re.fullmatch(write_pattern(grammar), drawn)
    assert draw_text(grammar, random.Random(seed)) == drawn


def test_a_text_beside_the_grammar_is_not_matched() -> None:
    assert not re.fullmatch(write_pattern(GREETING), "Hi everybody")
    assert not re.fullmatch(write_pattern("a.b"), "axb")
