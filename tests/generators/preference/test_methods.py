"""Preference rows go from a recipe to a verified pack, a loaded dataset and pairs for a trainer."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import disable_progress_bars, load_dataset

import synth_stack
from synth_stack.errors import ConfigError, WorkError
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.workflows.prepare import prepare
from tests.recipes import write_recipe

Row = dict[str, Any]
GATES = {"version": 1, "gates": [{"use": "structure", "canaries": 0}]}
ASPECTS = ("instruction_following", "truthfulness", "honesty", "helpfulness")


def rate(mark: int) -> list[str]:
    return ["\n".join(f"{aspect}: {mark}" for aspect in ASPECTS)]


JUDGE = {
    "use": "scripted",
    "model": "judge",
    "rules": [
        {"match": "Answer:\\s+=+\\s+Good", "replies": rate(5)},
        {"match": "Answer:\\s+=+\\s+Poor", "replies": rate(2)},
        {"match": "Answer:\\s+=+\\s+Fair", "replies": rate(3)},
        {"match": "Answer:\\s+=+\\s+Odd", "replies": ["It is fine."]},
    ],
    "price": {"input_per_million": 2.0, "output_per_million": 4.0},
}
SAID = {
    "good": "Good: send it back within thirty days and we refund the whole price at once.",
    "fair": "Fair: you may send it back, I believe, within some weeks or so.",
    "poor": "Poor: nobody knows that.",
    "odd": "Odd: send it to the moon and wait there for an answer.",
}


def teach(*said: str, model: str = "writer") -> Row:
    rule = {"match": "Answer what was asked", "replies": [SAID[name] for name in said]}
    return {
        "use": "scripted",
        "model": model,
        "rules": [rule],
        "price": {"input_per_million": 1.0, "output_per_million": 1.0},
    }


def write(folder: Path, method: Row, teacher: Row, **models: Row) -> Path:
    path = write_recipe(
        folder,
        teacher=teacher,
        models={"judge": JUDGE, **models},
        generate={"candidates": 12, "batch_rows": 4, "methods": [method]},
        eval_sets=[],
    )
    (folder / "gates.yaml").write_text(json.dumps(GATES))
    return path


def read(folder: Path) -> list[Row]:
    disable_progress_bars()
    loaded = load_dataset(str(folder / "pack"), split="train", cache_dir=str(folder / "cache"))
    return list(loaded)


def test_the_best_and_the_worst_of_n_go_from_a_recipe_to_pairs_for_a_trainer(tmp_path: Path) -> None:
    path = write(tmp_path, {"use": "best_of_n", "n": 3}, teach("good", "fair", "poor"))
    result = synth_stack.run(path, tmp_path / "run")
    verify_pack(result.pack.path)
    rows = read(tmp_path / "run")
    assert rows
    assert {row["kind"] for row in rows} == {"preference"}
    for row in rows:
        marks = {side["label"]: float(side["rating"]) for side in row["alternatives"] if side["label"]}
        assert marks["chosen"] == max(float(side["rating"]) for side in row["alternatives"])
        assert marks["rejected"] < marks["chosen"]
        assert {model["part"]: model["name"] for model in row["models"]} == {
            "judge": "judge",
            "writer": "writer",
        }
        assert set(json.loads(row["alternatives"][0]["ratings"])) == set(ASPECTS)
    out = tmp_path / "pairs.jsonl"
    exported = synth_stack.export(result.pack.path, out, format="trl-dpo")
    pairs = [json.loads(line) for line in out.read_text().splitlines()]
    assert exported.rows == len(pairs) == len(rows)
    assert all(pair["chosen"] != pair["rejected"] and pair["prompt"] for pair in pairs)


def test_what_each_model_was_asked_is_paid_at_its_own_price(tmp_path: Path) -> None:
    path = write(tmp_path, {"use": "best_of_n", "n": 2}, teach("good", "poor"))
    result = synth_stack.run(path, tmp_path / "run")
    rows = read(tmp_path / "run")
    spent = [json.loads(row["extra"])["spent"] for row in rows]
    assert all(set(each) == {"writer", "judge"} for each in spent)
    assert result.spent.cost is not None
    assert result.spent.cost > (result.spent.input_tokens + result.spent.output_tokens) / 1e6


def test_a_pair_of_a_strong_and_a_weak_model_names_both(tmp_path: Path) -> None:
    path = write(tmp_path, {"use": "strong_weak"}, teach("good"), weak=teach("poor", model="weak"))
    synth_stack.run(path, tmp_path / "run")
    for row in read(tmp_path / "run"):
        assert {side["label"]: side["model"] for side in row["alternatives"]} == {
            "chosen": "writer",
            "rejected": "weak",
        }


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (("good",), "comparison: all answers are the same"),
        (("odd",), "rating_1: no rating from 1 to 5 for instruction_following"),
    ],
)
def test_what_cannot_be_compared_fails_with_its_reason(
    said: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path, {"use": "best_of_n", "n": 2}, teach(*said))
    folder = synth_stack.generate(path, tmp_path / "run")
    failures = {row["failure"] for row in _read_candidates(folder)}
    assert failures == {reason}


def _read_candidates(folder: Path) -> list[Row]:
    from synth_stack.rows.schemas import CANDIDATE_SCHEMA
    from synth_stack.runs.folder import read_parts

    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def test_a_run_of_which_every_row_fails_signs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, {"use": "best_of_n", "n": 2}, teach("odd"))
    with pytest.raises(WorkError, match=r"all 12 rows .* failed, so nothing was packed"):
        synth_stack.run(path, tmp_path / "run")
    assert not (tmp_path / "run" / "pack").exists()


def test_every_model_keeps_to_the_perimeter_and_prices_have_one_currency(tmp_path: Path) -> None:
    elsewhere = {"use": "http", "base_url": "https://api.example.com/v1", "model": "m"}
    path = write(tmp_path / "a", {"use": "best_of_n"}, teach("good"), judge=elsewhere)
    with pytest.raises(ConfigError, match="perimeter: local refuses a teacher that is not on this machine"):
        prepare(load_recipe(path, {"perimeter": "local"}))
    dear = {**JUDGE, "price": {"input_per_million": 1.0, "output_per_million": 1.0, "currency": "EUR"}}
    path = write(tmp_path / "b", {"use": "best_of_n"}, teach("good"), judge=dear)
    with pytest.raises(ConfigError, match="several currencies; seen: EUR, USD"):
        prepare(load_recipe(path))


def test_templates_of_the_recipe_change_what_is_asked_and_stand_in_the_lock(tmp_path: Path) -> None:
    method = {"use": "best_of_n", "templates": {"preference_answer": {"max_tokens": 77, "on_cut": "fail"}}}
    path = write(tmp_path, method, teach("good"))
    lock = prepare(load_recipe(path)).lock
    asked = {each["template_id"].partition("@")[0]: each for each in lock["methods"][0]["asked_with"]}
    assert (asked["preference_answer"]["max_tokens"], asked["preference_answer"]["on_cut"]) == (77, "fail")
    assert asked["preference_rating"]["on_cut"] == "retry"
    path = write(tmp_path / "b", {"use": "best_of_n", "templates": {"preference_anser": {}}}, teach("good"))
    with pytest.raises(ConfigError, match="Did you mean 'preference_answer'"):
        prepare(load_recipe(path))
