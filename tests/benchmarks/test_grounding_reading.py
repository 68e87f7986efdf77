"""The reading of grounding: what is drawn tells nothing, and labels are read strictly."""

import json
from collections import Counter
from pathlib import Path

import pytest
from grounding import Pair
from grounding_reading import (
    LABELS,
    PER_KIND,
    LabelError,
    digest_pair,
    document_of,
    draw_pairs,
    expect,
    read_documents,
    read_labels,
)

ROOT = Path(__file__).parents[2]
PAIR = Pair(
    "judge", "policies", "returns.md#lock-returns", "negated", "A question.", "Locks may be returned."
)


@pytest.fixture(scope="module")
def drawn() -> list[Pair]:
    return draw_pairs()


def test_every_answer_that_is_drawn_has_its_document(drawn: list[Pair]) -> None:
    documents = read_documents(drawn)
    assert {document_of(pair) for pair in drawn} == set(documents)
    assert all(documents.values())
    assert max(Counter((pair.corpus, pair.kind) for pair in drawn).values()) <= PER_KIND


def test_the_order_follows_from_documents_and_digests_and_from_no_kind(drawn: list[Pair]) -> None:
    keys = [(document_of(pair), digest_pair(pair)) for pair in drawn]
    assert keys == sorted(set(keys))


def test_the_labels_are_of_this_very_set(drawn: list[Pair]) -> None:
    labels = read_labels(ROOT / "benchmarks" / "labels" / "grounding.jsonl")
    assert set(labels) == {digest_pair(pair) for pair in drawn}


@pytest.mark.parametrize(
    ("kind", "truth"),
    [("verbatim", "supported"), ("unit_changed", "contradicted"), ("condition_dropped", "not_found")],
)
def test_what_was_planted_says_what_is_expected(kind: str, truth: str) -> None:
    assert expect(kind) == truth
    assert truth in LABELS


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([{"digest": digest_pair(PAIR), "label": "true"}], "line 1: needs digest"),
        ([{"label": "unsure"}], "line 1: needs digest"),
        (
            [{"digest": "a", "label": "unsure"}, {"digest": "a", "label": "supported"}],
            "line 2: a second label",
        ),
    ],
)
def test_a_label_that_is_none_is_named(lines: list[dict[str, str]], said: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(LabelError, match=said):
        read_labels(path)
