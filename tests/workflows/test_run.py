"""The straight line, end to end, with the scripted teacher."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import synth_stack
from synth_stack.errors import ConfigError, InputError, RunMismatch, TeacherError
from synth_stack.runs.folder import MANIFEST
from tests.recipes import LEAKED, TWIN, read_tree, write_recipe, write_yaml

ANSWERS = {"match": "Answer the customer", "replies": [TWIN]}


def test_a_run_ends_in_a_pack_that_verifies_and_whose_funnel_adds_up(tmp_path: Path) -> None:
    result = synth_stack.run(write_recipe(tmp_path), tmp_path / "run")
    figures = result.figures

    assert figures.generated == 40
    assert figures.accepted + figures.rejected + figures.held == 40
    assert figures.accepted == result.pack.counts["accepted"] > 20
    assert figures.funnel[-1].passed == figures.accepted
    for before, after in zip(figures.funnel, figures.funnel[1:], strict=False):
        assert before.passed == after.entered
    assert synth_stack.verify(result.pack.path).root == result.pack.root


def test_each_planted_defect_is_rejected_by_its_gate_with_its_reason(tmp_path: Path) -> None:
    rules = [
        {"match": r"Message: my lamp will not switch on", "replies": [LEAKED]},
        {
            "match": r"Message: it is far too dark",
            "replies": ["Far too dark, I cannot read the small print."],
        },
        ANSWERS,
    ]
    methods = [{"use": "evol_instruct", "share": 1.0, "sorry_words": 0}]
    recipe = write_recipe(
        tmp_path,
        teacher={"use": "scripted", "rules": rules, "empty_share": 0.2},
        generate={"candidates": 60, "batch_rows": 8, "methods": methods},
    )
    # a chat teacher gets the seed without "Message:"; the scripted one is asked by chat
    text = recipe.read_text().replace("Message: ", "")
    recipe.write_text(text)
    folder = synth_stack.run(recipe, tmp_path / "run").folder

    rows = pl.read_parquet(folder / "candidates" / "*.parquet")
    decided = pl.read_parquet(folder / "decisions.parquet").join(rows, on="row_id")
    leaked = decided.filter(pl.col("text").str.contains(LEAKED, literal=True))
    dark = decided.filter(pl.col("text").str.starts_with("Far too dark"))
    empty = decided.filter(pl.col("failure").is_not_null())

    assert leaked.height > 1
    assert set(leaked["gate"]) == {"dedup", "contamination"}
    assert leaked.filter(pl.col("gate") == "contamination").height == 1
    assert "e1" in leaked.filter(pl.col("gate") == "contamination")["reason"].item()
    assert dark.height > 1
    assert (dark["decision"] == "accepted").sum() == 1
    kept = dark.filter(pl.col("decision") == "accepted")["row_id"].item()
    assert all(kept in reason for reason in dark.filter(pl.col("decision") == "rejected")["reason"])
    assert empty.height > 3
    assert set(empty["decision"]) == {"rejected"}
    assert all(reason.startswith("generation failed") for reason in empty["reason"])


def test_the_same_run_and_key_give_the_same_bytes_in_every_file(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    first, second = (synth_stack.run(recipe, tmp_path / name).folder for name in ("a", "b"))

    assert read_tree(first) == read_tree(second)


def test_a_finished_run_started_again_changes_nothing(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    folder = synth_stack.run(recipe, tmp_path / "run").folder
    before = read_tree(folder)

    synth_stack.run(recipe, folder)

    assert read_tree(folder) == before


def test_other_gates_judge_the_same_candidates_again(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    folder = synth_stack.run(recipe, tmp_path / "run").folder
    candidates = read_tree(folder / "candidates")
    gates = (tmp_path / "gates.yaml").read_text()
    (tmp_path / "gates.yaml").write_text(
        gates.replace("use: structure", "use: structure\n  answer:\n    min_words: 45")
    )

    result = synth_stack.run(recipe, folder)

    assert read_tree(folder / "candidates") == candidates
    assert "structure.too_short" in {reason.reason_class for reason in result.figures.reasons}
    assert synth_stack.verify(result.pack.path)


def test_another_seed_in_the_same_folder_is_another_run(tmp_path: Path) -> None:
    synth_stack.run(write_recipe(tmp_path), tmp_path / "run")

    with pytest.raises(RunMismatch, match="holds a different run"):
        synth_stack.run(write_recipe(tmp_path, seed=8), tmp_path / "run")


def test_a_new_title_on_the_card_is_not_another_run(tmp_path: Path) -> None:
    folder = synth_stack.run(write_recipe(tmp_path), tmp_path / "run").folder
    renamed = {"pretty_name": "Better lamps", "license": "cc0-1.0", "languages": ["en"]}

    result = synth_stack.run(write_recipe(tmp_path, pack=renamed), folder)

    assert "# Better lamps" in (result.pack.path / "README.md").read_text()


def test_a_teacher_that_dies_stops_the_run_and_what_was_made_is_kept(tmp_path: Path) -> None:
    dying = {"use": "scripted", "empty_share": 0.1, "dies_after": 25}
    with pytest.raises(TeacherError, match="is down"):
        synth_stack.run(write_recipe(tmp_path, teacher=dying), tmp_path / "run")

    made = read_tree(tmp_path / "run" / "candidates")
    assert made
    assert not (tmp_path / "run" / MANIFEST).exists()

    healthy = write_recipe(tmp_path, teacher={"use": "scripted", "empty_share": 0.1})
    resumed = synth_stack.run(healthy, tmp_path / "run")
    undisturbed = synth_stack.run(healthy, tmp_path / "whole")
    assert made.items() <= read_tree(resumed.folder / "candidates").items()
    assert read_tree(resumed.folder) == read_tree(undisturbed.folder)


def test_a_missing_eval_file_is_found_before_anything_is_made(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, eval_sets=[{"name": "gone", "path": "gone.jsonl"}])

    with pytest.raises((ConfigError, InputError), match=r"gone\.jsonl"):
        synth_stack.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_gate_parameter_is_found_before_anything_is_made(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    gates = (tmp_path / "gates.yaml").read_text().replace("threshold: 0.85", "treshold: 0.85")
    (tmp_path / "gates.yaml").write_text(gates)

    with pytest.raises(ConfigError, match=r"treshold is not a known key.*Did you mean 'threshold'"):
        synth_stack.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_accepted_rows_are_loaded_from_the_pack(tmp_path: Path) -> None:
    import datasets

    result = synth_stack.run(write_recipe(tmp_path), tmp_path / "run")
    loaded = datasets.load_dataset(str(result.pack.path), cache_dir=str(tmp_path / "cache"))

    assert list(loaded) == ["train"]
    decisions = pl.read_parquet(result.folder / "decisions.parquet")
    accepted = decisions.filter(pl.col("decision") == "accepted")["row_id"].to_list()
    assert loaded["train"]["row_id"][:] == accepted


def test_an_authored_pipeline_gains_gates_lineage_and_a_pack_in_three_lines(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    from synth_stack.teachers.scripted import scripted

    llm = scripted()
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    questions = [{"instruction": f"What does lamp number {i} cost?"} for i in range(12)]
    with Pipeline(name="prices") as pipeline:
        LoadDataFromDicts(data=questions, batch_size=5) >> TextGeneration(llm=llm)

    run = synth_stack.generate(pipeline, out=tmp_path / "run")
    batch = synth_stack.curate(run, gates=tmp_path / "gates.yaml", out=run)
    pack = synth_stack.pack(run, out=tmp_path / "pack")

    assert batch.figures.generated == 12
    assert pack.counts["accepted"] == batch.figures.accepted > 0
    assert synth_stack.verify(tmp_path / "pack")
    messages = pl.read_parquet(run / "candidates" / "*.parquet")["messages"].to_list()
    assert [m[0]["content"] for m in messages] == [q["instruction"] for q in questions]


def test_the_lock_holds_no_path_of_this_machine(tmp_path: Path) -> None:
    result = synth_stack.run(write_recipe(tmp_path), tmp_path / "run")

    for name, data in read_tree(result.folder).items():
        assert str(tmp_path).encode() not in data, name
    lock = json.loads((result.pack.path / MANIFEST).read_text())
    assert lock["files"]


def test_a_baseline_that_is_not_there_is_found_before_anything_is_made(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, baseline="gone.jsonl")

    with pytest.raises(InputError, match=r"gone\.jsonl is not a file"):
        synth_stack.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("method", "gate"),
    [
        ({"use": "oss_instruct"}, "execution"),
        ({"use": "refactor"}, "execution"),
        ({"use": "jailbreak"}, "refusal"),
        ({"use": "prompt_injection"}, "refusal"),
        ({"use": "hard_negative"}, "refusal"),
        ({"use": "dialogue_tree", "personas": {"path": "personas.yaml"}}, "turns"),
    ],
)
def test_rows_whose_known_failure_no_gate_looks_for_are_refused_before_anything_is_made(
    method: dict[str, Any], gate: str, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, generate={"candidates": 4, "methods": [method]})
    persona = {"name": "Ruth Alder", "product": "Doorbell D1", "date": "2 May 2026", "tone": "brief"}
    write_yaml(tmp_path / "personas.yaml", [persona])
    said = rf"by {method['use']}, .*allowed: with {gate}\. Add `- use: {gate}`"
    with pytest.raises(ConfigError, match=said):
        synth_stack.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
