"""A tag that cannot be had is left out, and its row stays whole."""

from typing import Any

from distilabel.pipeline import Pipeline

from synth_stack.generators.instruction.tag_steps import list_tag_steps
from synth_stack.teachers.scripted_llm import ScriptedLLM

ROW = {"rng_seed": 7, "instruction": "Name a river.", "answer": "The Loire.", "failure": None}


def tag(rules: list[tuple[str, list[str]]], named: tuple[str, ...], row: Any = ROW) -> Any:
    with Pipeline(name="tags"):
        llm = ScriptedLLM(rules=rules)
        llm.load()
        steps = list_tag_steps(llm, ["quality", "reward"])
        rows = [row]
        for step in steps:
            step._models = {part: {"name": part, "digest": None} for part in named}
            (rows,) = step.process(rows)
        llm.unload()
    return rows[0]


def test_only_models_that_are_named_are_asked() -> None:
    rules = [("quality", ["quality: good"]), ("reward", ["reward: 3"])]
    assert tag(rules, ("judge", "reward"))["tags"] == {"quality": "good", "reward": "3"}
    assert tag(rules, ("judge",))["tags"] == {"quality": "good"}
    assert "tags" not in tag(rules, ())


def test_a_call_that_fails_or_says_nothing_of_use_leaves_the_row_whole() -> None:
    row = tag([("quality", [""]), ("reward", ["I cannot say."])], ("judge", "reward"))
    assert row["failure"] is None
    assert row["tags"] == {"quality": None, "reward": None}


def test_a_row_that_failed_is_not_tagged() -> None:
    assert "tags" not in tag([("", ["quality: good"])], ("judge",), {**ROW, "failure": "answer: empty"})
