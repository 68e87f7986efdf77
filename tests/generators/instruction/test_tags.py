"""Magpie without system prompt and seeds, tagged by the models that a recipe names, into a filtered pack."""

import json
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.generators.instruction.tags import TAGS, VALUES, TagName, read_tag
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.workflows.generate import preview
from tests.openai_server import MODEL, Reply, complete, serve

Row = dict[str, Any]

SHIPPED = Path(__file__).parents[3] / "pipelines" / "magpie" / "recipe.yaml"
JUDGED = [
    ("line of this form:\ndifficulty", ["The user wants a poem.\ndifficulty: hard"]),
    ("line of this form:\nquality", ["Clear.\nquality: good", "Vague, not good.\nquality: poor"]),
    ("category:", ["category: Creative writing"]),
    ("safety:", ["safety: safe"]),
]


@pytest.mark.parametrize(
    ("tag", "reply", "value"),
    [
        ("quality", "It is good in parts.\nquality: poor", "poor"),
        ("quality", "**Quality:** Very Poor", "very poor"),
        ("quality", '{"explanation": "good", "quality": "excellent"}', "excellent"),
        ("quality", "good", "good"),
        ("quality", "It is good.", None),
        ("quality", "quality: good or excellent", None),
        ("difficulty", "difficulty: [very easy]", "very easy"),
        ("category", "category: Coding & Debugging", "Coding & Debugging"),
        ("category", "category: Poetry", None),
        ("safety", "unsafe\nS5", None),
        ("safety", "safety: unsafe", "unsafe"),
        ("safety", "safe", "safe"),
        ("reward", "reward: 7.5", "7.5"),
        ("reward", "-11", "-11"),
        ("reward", "7 of 10", None),
        ("reward", "", None),
    ],
)
def test_a_tag_is_read_where_it_is_said_and_nowhere_else(tag: TagName, reply: str, value: str | None) -> None:
    assert read_tag(tag, reply) == value


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag in VALUES])
def test_every_value_is_read_as_itself(tag: TagName) -> None:
    assert [read_tag(tag, f"{tag}: {value}") for value in VALUES[tag]] == list(VALUES[tag])


def load(**changes: Any) -> Any:
    return load_recipe(SHIPPED, {"teacher": {"use": "scripted"}, "generate.candidates": 24, **changes})


def read(folder: Path, name: str) -> list[Row]:
    schema = CANDIDATE_SCHEMA if name == "candidates" else VERDICT_SCHEMA
    return [row for table in read_parts(folder / name, schema) for row in table.to_pylist()]


def script(rules: Any, model: str) -> Row:
    told = [{"match": match, "replies": replies} for match, replies in rules]
    return {"use": "scripted", "model": model, "rules": told}


def test_rows_of_no_seed_are_tagged_by_named_models_and_filtered(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    models = {"judge": script(JUDGED, "judge"), "reward": script([("", ["reward: 4"])], "reward")}
    result = synth_stack.run(load(models=models), tmp_path / "run")
    verify_pack(result.pack.path)
    rows = {row["row_id"]: row for row in read(result.folder, "candidates")}
    tags = {name: json.loads(row["extra"])["tags"] for name, row in rows.items()}
    assert all(row["seed_id"] is None for row in rows.values())
    assert {tuple(sorted(each)) for each in tags.values()} == {tuple(sorted(TAGS))}
    assert {each["quality"] for each in tags.values()} == {"good", "poor"}
    for verdict in read(result.folder, "verdicts/judged_tags"):
        wanted = "accept" if tags[verdict["row_id"]]["quality"] == "good" else "reject"
        assert verdict["outcome"] == wanted
    loaded = datasets.load_dataset(str(result.pack.path), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == result.figures.accepted > 0
    synth_stack.export(result.pack.path, tmp_path / "rows.jsonl", format="sharegpt")


def test_without_a_named_model_nothing_is_asked_and_the_gate_says_what_is_missing(tmp_path: Path) -> None:
    shown = preview(load(), 1)[0]["prompts"][0]
    assert shown == {"column": "instruction", "text": "[opening] <|im_start|>user\n"}
    result = synth_stack.run(load(), tmp_path / "run")
    rows = read(result.folder, "candidates")
    assert all("tags" not in json.loads(row["extra"]) for row in rows)
    assert all("tag_" not in row["template_id"] for row in rows)
    said = read(result.folder, "verdicts/judged_tags")
    assert {(each["outcome"], each["reason"]) for each in said} == {
        ("abstain", "no tag quality, safety: no model was named for it, or it gave none")
    }


def test_the_prompt_is_the_opening_of_the_tokenizer_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    template = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}</turn>{% endfor %}"
    config = {"chat_template": template, "bos_token": "<s>", "eos_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    text = "Sort these words:\n\n1. pear\n2. fig"

    def reply(body: Row, raw: bool) -> Reply:
        return complete(text if raw else "fig, pear")(body, raw)

    with serve(always=reply) as server:
        teacher = {
            "use": "http",
            "base_url": server.base_url,
            "model": MODEL,
            "tokenizer": str(tmp_path),
            "reasoning_tokens": 0,
        }
        folder = synth_stack.generate(load(teacher=teacher, **{"generate.candidates": 2}), tmp_path / "run")
    opened = [body for body in server.bodies() if "prompt" in body]
    assert {body["prompt"] for body in opened} == {"<user>"}
    assert {tuple(body["stop"]) for body in opened} == {("</turn>", "</s>")}
    assert all(
        body["messages"] == [{"role": "user", "content": text}]
        for body in server.bodies()
        if "messages" in body
    )
    rows = read(folder, "candidates")
    assert {row["messages"][0]["content"] for row in rows} == {text}
    assert all(json.loads(row["params"])["chat_format"].startswith("tokenizer@") for row in rows)
    assert "chat_format: tokenizer@" in (folder / "recipe.lock.yaml").read_text(encoding="utf-8")
