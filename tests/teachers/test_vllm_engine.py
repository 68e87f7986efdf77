"""vLLM in this process, held against what its API takes (tests/vllm_api.py): the real one needs a GPU."""

from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError, TeacherError
from synth_stack.inputs.recipe import load_recipe
from synth_stack.registry import bind
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.teachers.prompt import Prompt
from tests.vllm_api import installed

Row = dict[str, Any]
SUPPORT = Path(__file__).parents[2] / "pipelines" / "support_intents" / "recipe.yaml"


def make(**params: Any) -> Any:
    llm = bind("teacher", "vllm", {"model": "some/model", **params}, where="recipe r: teacher").make()
    llm.load()
    return llm


def chat(text: str, **said: Any) -> Prompt:
    return Prompt([{"role": "user", "content": text}], **said)


def run(folder: Path, **teacher: Any) -> list[Row]:
    recipe = load_recipe(
        SUPPORT,
        {
            "teacher": {"use": "vllm", "model": "some/model", "reasoning_tokens": 0, **teacher},
            "generate.candidates": 40,
            "generate.batch_rows": 4,
            "generate.methods": [{"use": "self_instruct", "examples": 5}],
        },
    )
    synth_stack.generate(recipe, folder)
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def test_a_run_fills_the_engine_with_rows_of_several_batches_and_gives_the_rows_of_one_after_the_other(
    tmp_path: Path,
) -> None:
    with installed(pause_s=0.1) as engine:
        rows = run(tmp_path / "many", concurrency=16)
        many = engine.made[-1]
        assert {row["failure"] for row in rows} == {None}
        assert len(rows) == 40
        assert sum(many.calls) == 80
        assert max(many.calls) > 2 * 4  # several batches in one call
        assert many.llm_engine.engine_core.is_shut
        assert run(tmp_path / "one", concurrency=1) == rows
        assert max(engine.made[-1].calls) <= 4


def test_seed_limit_stops_and_sampling_are_those_of_each_prompt_and_the_template_has_its_settings() -> None:
    with installed() as engine:
        llm = make(
            top_k=20,
            repetition_penalty=1.1,
            reasoning_tokens=0,
            chat_template_kwargs={"enable_thinking": False},
        )
        llm.generate(
            [
                chat("first", seed=3, max_tokens=30, stop=["\n"], sampling={"temperature": 0.1}),
                chat("second", seed=4, max_tokens=50),
                Prompt([{"role": "user", "content": "a raw text"}], seed=5, raw=True, max_tokens=9),
            ],
            num_generations=2,
        )
        (made,) = engine.made
        llm.unload()
    asked = [params for _, params in made.asked]
    assert [(p.n, p.seed, p.max_tokens, p.stop, p.temperature) for p in asked] == [
        (2, 3, 30, ["\n"], 0.1),
        (2, 4, 50, [], 0.8),
        (2, 5, 9, [], 0.8),
    ]
    assert {(p.top_k, p.repetition_penalty, p.top_p) for p in asked} == {(20, 1.1, 0.95)}
    assert made.tokenizer.templates == [{"enable_thinking": False}] * 2
    chats, raw = [prompt for prompt, _ in made.asked[:2]], made.asked[2][0]
    assert raw == "a raw text"
    # the template has given the token that begins a text; the engine must not give one more
    assert all(1 not in prompt["prompt_token_ids"][1:] for prompt in chats)


def test_thoughts_are_split_off_and_one_that_never_ends_is_no_answer() -> None:
    says = {"first": "<think> hm hm </think> It is late.", "second": "<think> hm hm"}
    with installed(says=says):
        llm = make(reasoning_tokens=100)
        first, second = llm.generate([chat("first", max_tokens=10), chat("second", max_tokens=10)])
        llm.unload()
    assert first["generations"] == ["It is late."]
    assert '"reasoning":"hm hm"' in first["call"][0]
    assert second["generations"] == [None]
    assert "went into reasoning" in second["call"][0]


@pytest.mark.parametrize(
    ("on_cut", "said", "calls"),
    [
        ("retry", "one two three four five six", [1, 1]),
        ("continue", "one two three four five six", [1, 1, 1]),
        ("fail", "one two", [1]),
    ],
)
def test_a_cut_answer_is_made_anew_or_gone_on_with_or_left(on_cut: Any, said: str, calls: list[int]) -> None:
    with installed(says={"count": "one two three four five six"}) as engine:
        llm = make(reasoning_tokens=0)
        (output,) = llm.generate([chat("count", max_tokens=2, on_cut=on_cut)])
        assert engine.made[0].calls == calls
        llm.unload()
    assert output["generations"] == [said]
    assert ('"cut":true' in output["call"][0]) == (on_cut == "fail")


def test_a_prompt_that_is_too_long_is_its_row_s_failure_and_no_other_s() -> None:
    with installed():
        llm = make(reasoning_tokens=0)
        outputs = llm.generate([chat("short"), chat("word " * 500), chat("other")])
        llm.unload()
    assert [each["generations"][0] is None for each in outputs] == [False, True, False]
    assert "longer than the maximum model length" in outputs[1]["call"][0]


def test_an_engine_that_dies_stops_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with installed(dies_after=3), pytest.raises(TeacherError, match="engine failed: EngineCore"):
        run(tmp_path, concurrency=4)
    with installed():
        assert len(run(tmp_path, concurrency=4)) == 40


def test_sampling_that_vllm_does_not_have_is_refused_by_name() -> None:
    with installed():
        llm = make(reasoning_tokens=0)
        with pytest.raises(ConfigError, match=r"takes no such sampling.*repeat_penalty"):
            llm.generate([chat("first", sampling={"repeat_penalty": 1.1})])
        llm.unload()
