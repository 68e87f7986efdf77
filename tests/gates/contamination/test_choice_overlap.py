import polars as pl
import pytest

from synth_stack.gates.contamination.choice_overlap import OfferedChoices, find_choices, index_choices
from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.rows.canonical import Digest

METALS = ("liquid at room temperature", "found in every bone", "used for church bells", "lighter than water")
ANIMALS = ("the red fox", "a grey heron", "some otters", "an old badger")
USUAL = ("yes", "no", "both of them", "none of the above")


def make_set(*choices: tuple[str, ...]) -> EvalItems:
    n = len(choices)
    nothing: list[str | None] = [None] * n
    return EvalItems(
        name="exam",
        sha256=Digest("0" * 64),
        ids=[str(k) for k in range(n)],
        prompts=[f"Question {k}?" for k in range(n)],
        answers=nothing,
        entry_points=nothing,
        tests=nothing,
        passages=nothing,
        choices=list(choices),
    )


def find(text: str | None, *choices: tuple[str, ...]) -> OfferedChoices | None:
    return find_choices(index_choices([make_set(*choices)], 8), pl.Series([text], dtype=pl.String)).get(0)


@pytest.mark.parametrize(
    "text",
    [
        "Which one?\nA. {0}\nB. {1}\nC. {2}\nD. {3}",
        "Which one?\n(a) {3}\n(b) {1}\n(c) {0}\n(d) {2}\nAnswer: (a)",
        "Which one? 1) {0}; 2) {1}; 3) {2}; 4) {3}.",
        "Options:\n- {2}\n- {1}\n* {0}",
        "{0}\n{1}\n{3}",
    ],
)
def test_choices_are_found_whatever_their_order_and_labels(text: str) -> None:
    shown = text.format(*(choice.upper() for choice in METALS))
    found = find(shown, ANIMALS, METALS)
    assert found is not None
    assert (found.item, found.offered, found.proof) == (1, 4, True)
    assert found.found >= 3
    reason, evidence = index_choices([make_set(ANIMALS, METALS)], 8).describe(found)
    assert reason == f"shared choices: {found.found} of 4 of exam/1"
    assert (evidence["item"], evidence["part"]) == ("1", "choices")
    assert evidence["item_text"].startswith("liquid at room temperature / ")


@pytest.mark.parametrize(
    "text", [None, "", "A. yes\nB. no", "{0}\n{1}\nsomething else", "{0}, {1}, {2} and {3}"]
)
def test_two_choices_or_choices_in_a_sentence_are_none(text: str | None) -> None:
    assert find(text and text.format(*METALS), METALS) is None


def test_short_choices_agree_with_likeness_and_are_no_proof() -> None:
    found = find("- iron\n- tin\n- lead\n- zinc", ("iron", "tin", "lead", "zinc"))
    assert found is not None
    assert (found.found, found.proof) == (4, False)


def test_what_several_items_offer_is_no_choice_of_any() -> None:
    text = "A. yes\nB. no\nC. both of them\nD. none of the above"
    assert find(text, USUAL, USUAL) is not None  # twice the same item
    assert find(text, *((*USUAL, f"the {k}th other one") for k in range(3))) is None


def test_a_text_of_a_million_lines_is_read_in_bounds() -> None:
    assert find("- x\n" * 1_000_000 + "\n".join(METALS), METALS) is None
    assert find("\n".join(["A."] * 10_000), METALS) is None
