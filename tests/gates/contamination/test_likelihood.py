import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.contamination.likelihood import (
    RULES,
    Lexicon,
    Literals,
    Measured,
    find_alike,
    list_agreeing,
    rate,
    read_literals,
    read_words,
)

NEUTRAL = ["How many apples are left?", "Count the apples.", "Where is the parcel?"]


def measure(**figures: float) -> Measured:
    return Measured(**{name: np.array([figures.get(name, 0.0)]) for name in Measured.__slots__})


def test_identifiers_are_parted_and_numbers_are_digits() -> None:
    assert read_words("countApples by_colour, twelve and 2.5 Boxes") == {
        *("count", "appl", "by", "colour", "12", "and", "2.5", "box"),
    }


def test_a_word_that_many_texts_have_tells_less() -> None:
    lexicon = Lexicon(NEUTRAL)
    assert lexicon.weigh(["appl"]) == pytest.approx(np.log(4 / 3))
    assert lexicon.weigh(["gemeinschaft"]) == pytest.approx(np.log(4))
    assert lexicon.rarest({"appl", "gemeinschaft", "parcel"}, 2) == ["gemeinschaft", "parcel"]


def test_a_rare_literal_weighs_more_than_a_common_one() -> None:
    literals = Literals([['return "tHKS" + 1', "return 1", "return 1"], ["return 'x'", None]])
    assert literals.share(read_literals("y = 'tHKS'"), 0) > literals.share(read_literals("y = 1"), 0) > 0
    assert literals.share(read_literals('y = "x"'), 3) > 0
    assert literals.share(read_literals("anything"), 4) == 0


@pytest.mark.parametrize("name", ["covered", "nats", "literals", "cosine"])
def test_likeness_grows_with_what_is_shared(name: str) -> None:
    common = {"cosine": 0.5, "covered": 0.5, "nats": 10.0}
    for rule in RULES.values():
        assert rate(rule, measure(**{**common, name: 20}))[0] >= rate(rule, measure(**common))[0]


@pytest.mark.parametrize("name", ["item_density", "row_density", "lost", "uncoded"])
def test_likeness_falls_with_what_is_common(name: str) -> None:
    for rule in RULES.values():
        assert rate(rule, measure(cosine=0.5, **{name: 0.9}))[0] <= rate(rule, measure(cosine=0.5))[0]


def test_a_sum_at_the_bar_has_likeness_one_half() -> None:
    for rule in RULES.values():
        assert rate(rule, measure(cosine=rule.bar)) == pytest.approx(0.5)


@settings(max_examples=50)
@given(st.text(max_size=300), st.text(max_size=300))
def test_likeness_is_between_zero_and_one_to_six_decimals(one: str, other: str) -> None:
    mine, theirs = read_words(one), read_words(other)
    covered = len(mine & theirs) / max(len(theirs), 1)
    for rule in RULES.values():
        (likeness,) = rate(rule, measure(cosine=1, covered=covered, nats=5.0 * len(mine & theirs)))
        assert 0 <= likeness <= 1
        assert likeness == round(likeness, 6)


ALIKE = {"cosine": 0.9, "covered": 0.5, "echoed": 0.5, "rare": 20.0}


@pytest.mark.parametrize(
    ("name", "value"), [("covered", 0.1), ("echoed", 0.05), ("rare", 3.0), ("cosine", 0.4)]
)
def test_a_pair_that_shares_little_is_not_alike_whatever_its_sum(name: str, value: float) -> None:
    assert find_alike("minilm", measure(**ALIKE)).tolist() == [True]
    assert find_alike("minilm", measure(**{**ALIKE, name: value})).tolist() == [False]


def test_rare_words_and_numbers_agree_unless_most_numbers_are_others() -> None:
    pair = {"covered": 0.5, "echoed": 0.5, "rare": 20.0, "lost": 0.0, "cosine": 0.8}
    assert list_agreeing(pair, 2) == ["rare words agree", "numbers agree"]
    assert list_agreeing({**pair, "rare": 8.0}, 2) == ["numbers agree"]
    assert list_agreeing({**pair, "rare": 8.0}, 1) == []
    for name, value in [("covered", 0.3), ("echoed", 0.2), ("lost", 0.6), ("cosine", 0.6)]:
        assert list_agreeing({**pair, name: value}, 2) == []
