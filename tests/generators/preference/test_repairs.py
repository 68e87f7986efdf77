"""Minimal repairs: what a reply holds, how much was changed, and the rows that come of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import synth_stack
from synth_stack.generators.preference.repairs import count_edits, measure_change, read_repair
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts

SHIPPED = Path(__file__).parents[3] / "pipelines" / "minimal_repair" / "recipe.yaml"
DRAFT = "Send the lamp back in its box, and some day we pay the whole price to your card."
MENDED = DRAFT.replace("some day", "by 9 May")
WORDS = st.lists(st.sampled_from("a b c".split()), max_size=7)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("WHY: No day.\nANSWER: Two\nlines.", ("Two\nlines.", "No day.")),
        ("**WHY:** No\nday.\n\n**ANSWER:** Yes.", ("Yes.", "No day.")),
        ("1. Why: x\n2. Answer: WHY: is a word here", ("WHY: is a word here", "x")),
        ("ANSWER: Yes.", None),
        ("WHY: x\nANSWER:  ", None),
        ("Yes.", None),
    ],
)
def test_a_reply_is_read_in_its_two_parts(reply: str, found: tuple[str, str] | None) -> None:
    assert read_repair(reply) == found


@given(WORDS, WORDS)
def test_edits_are_those_of_the_recursive_definition(a: list[str], b: list[str]) -> None:
    def define(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = define(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return (
            min(same, define(i - 1, j) + 1, define(i, j - 1) + 1) if i + j < 9 else count_edits(a[:i], b[:j])
        )

    assert count_edits(a, b) == define(len(a), len(b)) == count_edits(b, a)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [("a b c d", "a x c d", 0.25), ("a b", "a b", 0), ("", "", 0), ("a", "b c", 1)],
)
def test_a_change_is_a_share_of_the_longer_text(before: str, after: str, share: float) -> None:
    assert measure_change(before, after) == share


def rate(mark: int) -> list[str]:
    aspects = ("instruction_following", "truthfulness", "honesty", "helpfulness")
    return ["\n".join(f"{aspect}: {mark}" for aspect in aspects)]


def load(repair: str = f"WHY: It named no day.\nANSWER: {MENDED}", mark: int = 5, **changes: Any) -> Any:
    judge = [
        {"match": "by 9 May(?s:.*)Rate the answer", "replies": rate(mark)},
        {"match": "Rate the answer", "replies": rate(3)},
    ]
    given = {
        "teacher": {"use": "scripted", "model": "writer"},
        "models": {
            "weak": {
                "use": "scripted",
                "model": "small",
                "rules": [{"match": "Answer what", "replies": [DRAFT]}],
            },
            "rewriter": {
                "use": "scripted",
                "model": "large",
                "rules": [{"match": "Mend", "replies": [repair]}],
            },
            "judge": {"use": "scripted", "model": "judge", "rules": judge},
        },
        "generate.candidates": 6,
    }
    return load_recipe(SHIPPED, {**given, **changes})


def read_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def test_repairs_go_from_a_recipe_to_a_verified_pack_and_to_pairs_for_a_trainer(tmp_path: Path) -> None:
    result = synth_stack.run(load(), tmp_path / "run")
    verify_pack(result.pack.path)
    out = tmp_path / "pairs.jsonl"
    synth_stack.export(result.pack.path, out, format="trl-dpo")
    pairs = [json.loads(line) for line in out.read_text().splitlines()]
    assert pairs
    assert {pair["chosen"][-1]["content"] for pair in pairs} == {MENDED}
    assert {pair["rejected"][-1]["content"] for pair in pairs} == {DRAFT}
    for row in read_rows(result.folder):
        assert json.loads(row["extra"])["repair"] == {"changed": "0.158", "why": "It named no day."}
        assert {model["part"]: model["name"] for model in row["models"]} == {
            "writer": "writer", "weak": "small", "rewriter": "large", "judge": "judge"
        }  # fmt: skip


def test_without_ratings_every_repair_counts_as_the_better_answer(tmp_path: Path) -> None:
    unrated: dict[str, Any] = {"generate.methods": [{"use": "minimal_repair", "rated": False}]}
    recipe = load(mark=1, **unrated)
    rows = read_rows(synth_stack.generate(recipe, tmp_path / "run"))
    assert not [row["failure"] for row in rows if row["failure"]]
    assert {side["label"] for row in rows for side in row["alternatives"] if side["model"] == "large"} == {
        "chosen"
    }


@pytest.mark.parametrize(
    ("repair", "mark", "reason"),
    [
        (MENDED, 5, "answer_repair: no part WHY: and no part ANSWER:"),
        (f"WHY: -\nANSWER: {DRAFT}", 5, "answer_repair: nothing was mended"),
        (
            "WHY: -\nANSWER: You will get it.",
            5,
            "answer_repair: 100% of the words were changed, more than 50%",
        ),
        (f"WHY: -\nANSWER: {MENDED}", 1, "comparison: the answer is rated above its repair"),
        (f"WHY: -\nANSWER: {MENDED}", 3, "comparison: no answer is rated 0.5 or more above another"),
    ],
)
def test_a_repair_that_is_none_fails_its_row(repair: str, mark: int, reason: str, tmp_path: Path) -> None:
    rows = read_rows(synth_stack.generate(load(repair, mark), tmp_path / "run"))
    assert {row["failure"] for row in rows} == {reason}
