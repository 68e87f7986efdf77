"""A preview shows rows, what the gates would say of them, and the price of the run, and keeps nothing."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import ConfigError
from synth_stack.inputs.recipe import load_recipe
from synth_stack.workflows.preview import Preview, preview_run
from tests.recipes import read_tree, write_recipe

PRICE = {"input_per_million": 10.0, "output_per_million": 20.0, "currency": "EUR"}


@pytest.fixture(scope="module")
def previewed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Preview]:
    folder = tmp_path_factory.mktemp("preview")
    teacher = {"use": "scripted", "empty_share": 0.3, "price": PRICE}
    methods = [{"use": "self_instruct", "examples": 2}]
    generate = {"candidates": 4_000, "batch_rows": 4, "methods": methods}
    path = write_recipe(folder, teacher=teacher, generate=generate)
    before = read_tree(folder)
    found = preview_run(load_recipe(path), 10)
    assert read_tree(folder) == before
    return path, found


def test_each_row_has_the_decision_that_the_gates_would_come_to(previewed: tuple[Path, Preview]) -> None:
    _, found = previewed
    assert found.decisions is not None
    for row, said in zip(found.rows, found.decisions, strict=True):
        assert said["decision"] == ("rejected" if row["failure"] else "accepted")
    assert {said["gate"] for said in found.decisions} == {"structure", None}
    assert any("structure:" in line for line in found.lines())


def test_the_full_run_is_priced_from_the_tokens_of_the_rows(previewed: tuple[Path, Preview]) -> None:
    _, found = previewed
    full = found.full_run
    assert (full.seen, full.rows, full.most, full.currency) == (10, 4_000, 4_000, "EUR")
    assert full.cost == pytest.approx((10 * full.input_tokens + 20 * full.output_tokens) / 1e6)
    assert full.input_tokens % 400 == 0
    assert "EUR for 4,000 candidates, from 10 rows" in full.line()


def test_without_gates_no_gate_file_is_needed(previewed: tuple[Path, Preview]) -> None:
    path, _ = previewed
    recipe = load_recipe(path, {"gates": "no_such_file.yaml"})
    assert preview_run(recipe, 2, judged=False).decisions is None
    with pytest.raises(ConfigError, match="no_such_file"):
        preview_run(recipe, 2)


def test_a_run_with_a_target_says_how_many_candidates_there_may_be(previewed: tuple[Path, Preview]) -> None:
    path, _ = previewed
    target: dict[str, Any] = {"generate.candidates": None, "generate.target": {"accepted": 100}}
    full = preview_run(load_recipe(path, target), 3, judged=False).full_run
    assert (full.rows, full.most) == (100, 1_000)
    assert "at most 1,000, at 10.0 times that" in full.line()


def test_a_teacher_without_a_price_has_tokens_and_no_cost(previewed: tuple[Path, Preview]) -> None:
    path, _ = previewed
    full = preview_run(load_recipe(path, {"teacher": {"use": "scripted"}}), 2, judged=False).full_run
    assert full.cost is None
    assert full.input_tokens > 0
