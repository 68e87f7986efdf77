import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.contamination.likelihood import (
    RULES,
    Kind,
    Lexicon,
    Literals,
    Measured,
    find_alike,
    list_agreeing,
    rate,
    read_literals,
    read_words,
)
from tests.examples import examples

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


@settings(max_examples=examples(50))
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
    assert find_alike("minilm", "prose", measure(**ALIKE)).tolist() == [True]
    assert find_alike("minilm", "prose", measure(**{**ALIKE, name: value})).tolist() == [False]


def test_a_task_of_code_needs_more_words_and_its_numbers_may_be_examples() -> None:
    pair = {**ALIKE, "covered": 0.18, "differ": 0.8}
    assert find_alike("minilm", "code", measure(**pair)).tolist() == [False]
    assert find_alike("minilm", "code", measure(**{**pair, "covered": 0.3})).tolist() == [True]
    assert find_alike("minilm", "code", measure(**{**pair, "covered": 0.3, "differ": 1})).tolist() == [False]


@pytest.mark.parametrize("kind", ["prose", "answer"])
def test_other_numbers_make_another_problem_unless_the_words_are_nearly_the_same(kind: Kind) -> None:
    assert find_alike("minilm", kind, measure(**ALIKE, differ=0.4)).tolist() == [True]
    assert find_alike("minilm", kind, measure(**ALIKE, differ=0.6)).tolist() == [False]
    same = {**ALIKE, "covered": 0.8, "echoed": 0.8, "differ": 1}
    assert find_alike("minilm", kind, measure(**same)).tolist() == [True]
    assert find_alike("minilm", kind, measure(**{**same, "echoed": 0.7})).tolist() == [False]


PAIR = {"covered": 0.5, "echoed": 0.5, "rare": 20.0, "lost": 0.0, "differ": 0.0, "cosine": 0.8}
MANY = Lexicon([f"plain {k}" for k in range(200)])  # a text in 200 has any other word: each is rare
TOLD = frozenset("emu zebra ibex okapi lynx gnu tapir 12 30 45 plain".split())


def agree(*missing: str, **figures: float) -> list[str]:
    return list_agreeing(MANY, {**PAIR, **figures}, TOLD, TOLD - set(missing))


def test_most_rare_words_or_all_numbers_have_to_agree() -> None:
    assert agree() == ["rare words agree", "numbers agree"]
    assert agree("emu", "zebra", "plain") == ["rare words agree", "numbers agree"]  # 5 of 7
    assert agree("emu", "zebra", "gnu") == ["numbers agree"]
    assert agree("12") == ["rare words agree"]  # two numbers are too few
    assert agree("emu", "zebra", "gnu", "12") == []
    assert agree("emu", "zebra", "gnu", "ibex", "okapi") == []  # numbers alone are chance


def test_few_rare_words_prove_nothing_though_all_agree() -> None:
    generic = frozenset({"prime", "divisor", "integer", "true", "1", "2"})
    assert list_agreeing(MANY, PAIR, generic, generic) == []


@pytest.mark.parametrize(
    ("name", "value"), [("covered", 0.3), ("echoed", 0.2), ("lost", 0.3), ("differ", 0.3), ("cosine", 0.6)]
)
def test_nothing_agrees_where_numbers_differ_or_little_is_shared(name: str, value: float) -> None:
    assert agree(**{name: value}) == []
