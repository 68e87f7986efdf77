"""Rows of a run and of a pack are found by what they are, say and scored."""

from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.packs.signers import local_signer
from synth_stack.packs.write import write_pack
from synth_stack.ui.row_index import MAX_NEEDLE_CHARS, MAX_PAGE, RowQuery, open_rows
from tests.packs.shaped_pack import judge_rows
from tests.review.toy_run import find_ids
from tests.some_rows import make_row


def test_a_run_is_summed_up_by_every_choice(toy: Path) -> None:
    told = open_rows(toy).summarise()
    assert (told["where"], told["rows"]) == ("run", 65)
    assert told["counts"]["decision"] == {"accepted": 60, "rejected": 2, "held": 3}
    assert told["counts"]["slice"] == {"a/b": 45, "c": 20}
    assert told["counts"]["reason_class"] == {"toy_marks.hold": 3, "toy_marks.reject": 2}
    assert told["gates"] == [{"name": "toy_marks"}]


def test_a_pack_has_the_same_rows_and_labels_and_the_texts_of_accepted_ones(toy: Path, pack: Path) -> None:
    of_run, of_pack = open_rows(toy), open_rows(pack)
    assert of_pack.rows.equals(of_run.rows.select(of_pack.rows.columns))
    assert of_pack.summarise()["counts"] == of_run.summarise()["counts"]
    texts = {row["decision"]: row["text"] for row in of_pack.find(RowQuery(limit=65))["rows"]}
    assert texts["accepted"].startswith("Question")
    assert texts["held"] is None


def test_pages_follow_each_other_in_the_order_of_the_run(toy: Path) -> None:
    index = open_rows(toy)
    pages = [index.find(RowQuery(offset=offset, limit=30)) for offset in (0, 30, 60, 90)]
    assert [len(page["rows"]) for page in pages] == [30, 30, 5, 0]
    assert {page["total"] for page in pages} == {65}
    assert [row["row_id"] for page in pages for row in page["rows"]] == index.rows["row_id"].to_list()


def test_a_needle_is_found_in_texts_reasons_and_ids_without_regard_to_case(toy: Path, pack: Path) -> None:
    held = find_ids(toy, "HOLD")
    index = open_rows(toy)
    assert {row["row_id"] for row in index.find(RowQuery(needle="hold ME"))["rows"]} == set(held)
    assert {row["row_id"] for row in index.find(RowQuery(needle="it says hold"))["rows"]} == set(held)
    assert [row["row_id"] for row in index.find(RowQuery(needle=held[0][:12].upper()))["rows"]] == [held[0]]
    assert index.find(RowQuery(needle=".*"))["total"] == 0
    assert open_rows(pack).find(RowQuery(needle="hold me"))["total"] == 0
    assert open_rows(pack).find(RowQuery(needle="question 7?"))["total"] == 1


def test_choices_narrow_each_other(toy: Path) -> None:
    index = open_rows(toy)
    assert index.find(RowQuery(choices={"slice": "c", "generator": "left"}))["total"] == 10
    assert index.find(RowQuery(choices={"decision": "held", "slice": "c"}))["total"] == 0
    assert index.find(RowQuery(choices={"slice": "no such"}))["total"] == 0


@pytest.mark.parametrize("where", ["run", "pack"])
def test_scores_of_a_gate_bound_and_order_rows(where: str, tmp_path: Path) -> None:
    told = "Take the lid off, wait for the lamp to turn green, and press the small key for ten seconds."
    answers = (
        "Nothing of the kind is sold in this shop.",
        f"{told} Then close it.",
        f"{told} Then close it!",
    )
    rows = [
        make_row(("user", "How do I reset it?"), ("assistant", answer), draw=n)
        for n, answer in enumerate(answers)
    ]
    folder = judge_rows(tmp_path, rows, "version: 1\ngates:\n  - use: dedup\n")
    if where == "pack":
        folder = write_pack(folder, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem")).path
    index = open_rows(folder)
    found = index.find(RowQuery(gate="dedup", by_score=True))["rows"]
    scores = [row["score"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    above = index.find(RowQuery(gate="dedup", low=scores[0]))
    assert [row["row_id"] for row in above["rows"]] == [found[0]["row_id"]]
    assert index.find(RowQuery(gate="dedup", high=scores[-1]))["total"] == scores.count(scores[-1])


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (RowQuery(choices={"text": "x"}), "cannot be chosen by that"),
        (RowQuery(gate="toxicity"), "no gate of this batch has that name"),
        (RowQuery(by_score=True), "without its gate"),
        (RowQuery(low=0.5), "without its gate"),
        (RowQuery(limit=MAX_PAGE + 1), "no such page"),
        (RowQuery(limit=0), "no such page"),
        (RowQuery(offset=-1), "no such page"),
        (RowQuery(needle="x" * (MAX_NEEDLE_CHARS + 1)), "more text than one searches for"),
    ],
)
def test_what_cannot_be_asked_is_refused(toy: Path, query: RowQuery, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        open_rows(toy).find(query)


def test_a_folder_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no judged rows"):
        open_rows(tmp_path)
