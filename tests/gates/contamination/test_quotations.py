import json
from pathlib import Path

import pytest

from synth_stack.inputs.gate_file import NamedEvalSet
from tests.gates.contamination.exams import judge_text, make_judge
from tests.some_rows import TextsTable

DEFINITION = "a prime number is a natural number greater than 1 that has no divisors"
REST = (
    "You receive a hexadecimal string and count its digits whose decimal values are such numbers. Uppercase "
    "symbols may occur; an empty string gives zero. Hexadecimal digits above nine are the letters from A to "
    "F, and of these only eleven and thirteen count. Return the total as an integer, and never a fraction of "
    "one, so that a caller may add the totals of several strings."
)


@pytest.mark.parametrize(
    ("rest", "outcome"),
    [
        ("Euclid showed that there is no end of them.", "accept"),
        (
            "Count the hexadecimal digits of a string whose decimal values are such; letters in uppercase.",
            "hold",
        ),
    ],
)
def test_a_sentence_of_a_long_item_counts_where_more_of_it_is_there(
    tmp_path: Path, texts_table: TextsTable, rest: str, outcome: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"prompt": f"{REST} In mathematics {DEFINITION}."}]), encoding="utf-8")
    judge = make_judge(against=[NamedEvalSet(name="x", path=str(path))], embedding=None)
    assert judge_text(judge, texts_table([f"As is well known, {DEFINITION}. {rest}"]))["outcome"] == outcome
