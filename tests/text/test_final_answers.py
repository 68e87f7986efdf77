"""Final answers are found as solutions mark them, and compared by what they mean; stated sums are computed."""

import json
from pathlib import Path

import pytest

from synth_stack.text.final_answers import find_marked_answer, is_same_answer, list_sums, read_stated_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it is.\n#### 72", "72"),
        ("#### 1\n#### 2\n", "2"),
        (r"Thus $\boxed{\frac{1}{2}}$ and so on.", r"\frac{1}{2}"),
        (r"\boxed{1} or rather \boxed{\text{no } {a}}", r"\text{no } {a}"),
        ("The answer is 18 dollars.", "18 dollars"),
        ("**Answer:** 3.5", "3.5"),
        ("The final answer is: $x = 5$. I hope it is correct.", "$x = 5$"),
        ("The answer is 3. The answer is 4!", "4"),
        ("There are 72.", None),
        (r"\boxed{1", None),
        (r"\boxed{}", None),
        ("", None),
    ],
)
def test_the_last_marked_answer_is_found(text: str, answer: str | None) -> None:
    assert find_marked_answer(text) == answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("72", "72 clips"), ("$18", "18 dollars"), ("50%", "0.5"), ("50%", "50"), ("x = 5", "5"), ("f(x)=2x", "2x"),
        (r"\{1, 2\}", "2 and 1"), ("(1, 2)", "(1,2.0)"), ("1, 234", "234, 1"), ("Tuesday", "tuesday."), ("(B)", "B"),
        (r"\text{Evelyn}", "Evelyn"), (r"90^\circ", "90"), ("0.33", "1/3"), ("3.14", r"\pi"), (r"$\boxed{42}$", "42"),
        ("24 cm^2", "24 square cm"), (r"\$32{,}348", "32348"), ("24 hours", "24 hour"), ("**8**", "8"),
    ],
)  # fmt: skip
def test_answers_that_mean_the_same_are_the_same(one: str, other: str) -> None:
    assert is_same_answer(read_stated_answer(one), read_stated_answer(other))
    assert is_same_answer(read_stated_answer(other), read_stated_answer(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("72", "71"), ("(1, 2)", "(2, 1)"), ("[1, 2)", "[1, 2]"), ("{1, 1}", "{1, 2}"), ("1, 2", "1, 2, 3"), ("5 m", "5 km"),
        ("0.3", "1/3"), ("0.34", "1/3"), ("0.24", "0.25"), ("2:30", "14:30"), ("A", "B"), ("Tuesday", "72"), ("50%", "5"),
    ],
)  # fmt: skip
def test_answers_that_differ_are_not_the_same(one: str, other: str) -> None:
    assert not is_same_answer(read_stated_answer(one), read_stated_answer(other))


@pytest.mark.parametrize("text", ["", "  ", "$$", "x" * 500, ",".join(["1"] * 60)])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="answer"):
        read_stated_answer(text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("She sold 48/2 = <<48/2=24>>24 clips.", []),
        ("She sold 48/2 = <<48/2=23>>23 clips.", ["48/2 = 23", "48/2 = 23"]),
        ("1. 3 x 4 = 12\n- 5 + 3 = 8\n* 17 + 26 = 33", ["17 + 26 = 33"]),
        ("So 2x - 5 = 3 and f(5) = 3 and x = 2 + 2.", []),
        ("Half of 10 + 2 = 7, and 5% of 200 = 10.", []),
        ("10 / 3 = 3.33 and 10 / 3 = 3.34", ["10 / 3 = 3.34"]),
        ("20% * 50 = 10 and $5 * 3 = $15 and 3/4 = 75%", []),
        ("2 + 3 = 5 * 2 = 10", ["2 + 3 = 5 * 2"]),
        ("9**9**9 = 1 and 1/0 = 2 and 2 + = 3", []),
        ("= " * 20_000, []),
        ("1" * 50_000 + "a", []),
    ],
)
def test_stated_sums_are_computed(text: str, wrong: list[str]) -> None:
    assert [each.text for each in list_sums(text) if not each.holds] == wrong


def test_the_sums_and_answers_of_a_public_set_hold() -> None:
    file = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "train.jsonl"
    if not file.is_file():
        pytest.skip("no public corpora beside the checkout")
    lines = file.read_text(encoding="utf-8").splitlines()[:500]
    answers = [json.loads(line)["answer"] for line in lines]
    for answer in answers:
        found = find_marked_answer(answer)
        assert found is not None
        assert read_stated_answer(found).parts[0].value is not None
    wrong = [each.text for answer in answers for each in list_sums(answer) if not each.holds]
    assert len(wrong) <= 5, wrong  # each is a slip of the set itself
