"""What a row is grounded in, in the shapes that data sets use."""

import json
from typing import Any

import pytest

from tests.foreign_rows import read_one, turns


@pytest.mark.parametrize(
    ("value", "documents"),
    [
        ("The lamp is blue.", [{"text": "The lamp is blue."}]),
        (["a", "b"], [{"text": "a"}, {"text": "b"}]),
        ('["a", "b"]', [{"text": "a"}, {"text": "b"}]),
        ("[citation needed]", [{"text": "[citation needed]"}]),
        ([{"text": "a", "title": "A", "id": 7, "url": "http://x"}], [{"id": "7", "title": "A", "text": "a", "source": "http://x"}]),
        ([{"page_content": "a"}, "b"], [{"text": "a"}, {"text": "b"}]),
        ({"title": ["A", "B"], "sentences": [["a. ", "b."], ["c."]]}, [{"title": "A", "text": "a. b."}, {"title": "B", "text": "c."}]),
        ({"Text": "a", "text": ""}, [{"text": "a"}]),
        ([{"text": b"\xc3\xa9"}], [{"text": "é"}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["documents", "context", "contexts", "passages", "Context"])
def test_documents_are_read_from_texts_objects_and_columns(
    column: str, value: Any, documents: list[Any]
) -> None:
    row = read_one({"question": "q", column: value, "answer": "a"})

    assert row["documents"] == documents
    assert (row["messages"], row["text"]) == (turns("q", "a"), "q\n\na")
    assert row["extra"] is None or value == {"Text": "a", "text": ""}


def test_what_a_document_holds_besides_is_kept_by_its_place() -> None:
    passages = {"passage_text": ["a", "b"], "url": ["u", "v"], "is_selected": [0, 1]}
    row = read_one({"query": "q", "passages": passages})

    assert row["documents"] == [{"text": "a", "source": "u"}, {"text": "b", "source": "v"}]
    assert json.loads(row["extra"]) == {"passages": {"0": {"is_selected": 0}, "1": {"is_selected": 1}}}


@pytest.mark.parametrize("value", [5, [5], [["a"]], [{"score": 1}], {"a": 1}, ["a", None]])
def test_a_column_that_is_no_document_is_kept_in_extra(value: Any) -> None:
    row = read_one({"question": "q", "context": value})

    assert row["documents"] is None
    assert json.loads(row["extra"]) == {"context": value}


def test_the_first_column_that_holds_some_counts_and_the_others_are_kept() -> None:
    row = read_one({"question": "q", "documents": [], "context": "c", "passages": ["p"]})

    assert row["documents"] == [{"text": "c"}]
    assert json.loads(row["extra"]) == {"passages": ["p"]}


def test_an_alpaca_input_stays_part_of_the_prompt() -> None:
    row = read_one({"instruction": "i", "input": "ctx", "output": "o", "context": "c"})

    assert (row["messages"], row["documents"]) == (turns("i\n\nctx", "o"), [{"text": "c"}])


def test_a_text_has_documents_too_and_a_lone_surrogate_is_the_reason() -> None:
    assert read_one({"text": "t", "documents": ["d"]})["documents"] == [{"text": "d"}]
    assert read_one({"text": "t", "documents": ["\ud800"]})["failure"] == (
        "broken record: row 1: column 'documents' is not valid Unicode: a lone surrogate"
    )
