import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.contamination.eval_sets import load_eval_set
from synth_stack.gates.contamination.passages import (
    PASSAGE_CHARS,
    bare_texts,
    find_code,
    split_items,
    split_rows,
)
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.text.fields import read_texts
from tests.examples import examples
from tests.some_rows import MakeRow, TextsTable, make_texts

PYTHON = '''
def keep_big(xs, bar):
    """
    Keep what is above the bar.

    >>> keep_big([1, 5], 3)
    [5]
    """
    # compare one by one
    return [x for x in xs if x > bar]
'''
C = """
#include <stdio.h>

/* Keep what is
 * above the bar. */
int keep_big(const int *xs, int n, int bar, int *out) {
    int k = 0;
    for (int i = 0; i < n; i++)
        if (xs[i] > bar)
            out[k++] = xs[i]; // compare one by one
    return k;
}
"""
JAVASCRIPT = """
/**
 * Keep what is above the bar.
 * @param {number[]} xs
 */
const keepBig = (xs, bar) => {
  // compare one by one
  return xs.filter((x) => x > bar);
};
"""


def split(table: pa.Table) -> list[tuple[int, int, str, str]]:
    return list(split_rows(table).select("row", "message", "side", "text").iter_rows())


def test_a_conversation_is_parted_by_who_speaks(row: MakeRow) -> None:
    table = build_candidates(
        [
            row(
                ("system", "Be brief and kind."),
                ("user", "Where is my parcel?"),
                ("assistant", "It is on its way."),
            )
        ]
    )
    assert split(table) == [
        (0, 1, "asked", "Where is my parcel?"),
        (0, 2, "answered", "It is on its way."),
    ]


def test_a_text_is_parted_at_its_answer(texts_table: TextsTable) -> None:
    table = texts_table(["Question: How many eggs are left?\nAnswer: There are nine eggs."])
    assert [(side, text) for _, _, side, text in split(table)] == [
        ("answered", "There are nine eggs."),
        ("asked", "How many eggs are left?"),
    ]


@pytest.mark.parametrize("program", [PYTHON, C, JAVASCRIPT], ids=["python", "c", "javascript"])
def test_what_is_noted_in_a_program_is_read_in_every_language(texts_table: TextsTable, program: str) -> None:
    passages = split(texts_table([program]))
    assert {side for _, _, side, _ in passages} == {"noted"}
    assert "Keep what is above the bar." in passages[0][3]
    assert passages[0][3].endswith("compare one by one")


def test_a_program_without_notes_gives_its_names_word_by_word(texts_table: TextsTable) -> None:
    code = "def findLongest_word(text):\n    return max(text.split(), key=len)\n"
    assert split(texts_table([code])) == [(0, 0, "noted", "find Longest word")]


def test_prose_around_code_is_asked_and_the_code_is_not(row: MakeRow) -> None:
    asked = "Please mend the loop below so that it ends.\n```python\nwhile True:\n    x = x + 1\n```"
    table = build_candidates([row(("user", asked), ("assistant", "Sure, here it is."))])
    assert split(table)[0] == (0, 0, "asked", "Please mend the loop below so that it ends.")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Write a Python function that counts the vowels of a word.", "counts the vowels of a word."),
        ("Create a C++ method to sort an array using C++.", "sort an array."),
        ("How would you implement a Java method to add numbers?", "add numbers?"),
        ("Question: What is an ecclesia?", "What is an ecclesia?"),
        ("Write a Python program.", "Write a Python program."),
        ("Write to your brother about the trip.", "Write to your brother about the trip."),
    ],
)
def test_openings_and_labels_are_left_out(text: str, bare: str) -> None:
    assert bare_texts([text]) == [bare]


def test_lettered_choices_are_left_out(texts_table: TextsTable) -> None:
    text = "Which planet is closest to the sun?\nA. Venus\nB) Mercury\n(C) Mars"
    assert split(texts_table([text])) == [(0, 0, "asked", "Which planet is closest to the sun?")]


def test_each_of_several_paragraphs_is_a_passage_too(texts_table: TextsTable) -> None:
    one, two = (
        "Here are some questions that I would like answered.",
        "How many eggs do twelve hens lay in a year?",
    )
    assert {text for _, _, _, text in split(texts_table([f"{one}\n\n{two}"]))} == {f"{one} {two}", one, two}


def test_items_are_read_like_rows(tmp_path: Path) -> None:
    items: list[dict[str, Any]] = [
        {
            "prompt": 'def helper(x):\n    """ Help a bit. """\n\ndef keep_big(xs):\n    """ Keep the big ones.\n    Examples:\n    x\n    """\n',
            "answer": "    return [x for x in xs]\n",
            "entry_point": "keep_big",
            "test": "def check(candidate): pass",
        },
        {"prompt": "How many eggs are left?", "answer": "9"},
        {"prompt": "Write a function to add two numbers.", "answer": "x", "entry_point": "add", "test": "y"},
        {
            "prompt": "Tell me about hens.",
            "answer": "Hens lay eggs nearly every day, and they do so for several years.",
        },
        {"prompt": "", "answer": None},
    ]
    path = tmp_path / "exam.json"
    path.write_text(json.dumps(items), encoding="utf-8")
    passages = split_items(load_eval_set(NamedEvalSet(name="exam", path=str(path))))
    assert list(passages.iter_rows()) == [
        (0, "noted", "Keep the big ones."),
        (1, "asked", "How many eggs are left?"),
        (2, "noted", "add two numbers."),
        (3, "asked", "Tell me about hens."),
        (3, "answered", items[3]["answer"]),
    ]


def test_code_is_told_from_prose() -> None:
    texts = [PYTHON, C, JAVASCRIPT, "I paid (twice); where is my money?", "", None]
    assert find_code(read_texts(pa.array(texts))).to_list() == [True, True, True, False, False, False]


HOSTILE = {
    "huge": "word " * 2_000_000,
    "one line of code": "x = 1; " * 20_000,
    "punctuation": "?!.,;:{}()[]<>" * 5_000,
    "nested comments": "/*" * 5_000 + "*/" * 5_000,
    "open comment": "int x; /* " + "a " * 20_000,
    "open docstring": 'def f():\n    """' + "b " * 20_000,
    "quotes": "'" * 100_000 + '"' * 100_001,
    "fences": "```" * 5_000,
    "NUL": "def f():\n    # \x00\x00 \x00\n",
    "openings": "write a a a a a " * 5_000,
    "spaces": " " * 100_000 + "x",
    "lines": "\n" * 300_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_split_into_short_passages(texts_table: TextsTable, text: str) -> None:
    assert all(len(passage) <= PASSAGE_CHARS for _, _, _, passage in split(texts_table([text])))


def test_an_endless_conversation_is_read_at_its_start(row: MakeRow) -> None:
    turns = [("user", f"Please count the sheep of flock number {k}") for k in range(5_000)]
    assert len(split(build_candidates([row(*turns)]))) == 64


def test_nothing_gives_no_passages(texts_table: TextsTable) -> None:
    assert split(CANDIDATE_SCHEMA.empty_table()) == []
    assert split(texts_table([None, "", "  ", "?!", "42"])) == []


@settings(max_examples=examples(30))
@given(st.lists(st.text(max_size=200), max_size=4))
def test_how_a_table_is_cut_does_not_show(texts: list[str]) -> None:
    table = make_texts(texts)
    alone = [(k, *passage[1:]) for k in range(len(table)) for passage in split(table.slice(k, 1))]
    assert split(table) == alone
