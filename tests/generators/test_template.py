"""Prompt templates: an id that changes with the text, and values that stay values."""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError
from pydantic import ValidationError

import synth_stack.generators  # noqa: F401  (declares the templates of each method)
from synth_stack.errors import ConfigError
from synth_stack.generators import template as template_module
from synth_stack.generators.template import declare_templates, load_template, templates_of

PARAMS: list[tuple[str, dict[str, Any]]] = [
    ("self_instruct", {"answers": "short"}),
    ("magpie", {"turns": 1, "answers": "short"}),
    ("magpie", {"turns": 2, "answers": "full"}),
    ("evol_instruct", {"judge_gain": True, "answers": "full"}),
]
NAMES = sorted({name for method, params in PARAMS for name in templates_of(method, params)})
ITEM: dict[str, Any] = {
    "about": "a shop",
    "title": "Late parcels",
    "description": "A parcel is late.",
    "grounding": "We refund at once.",
    "seed": "where is my parcel",
    "examples": ["where is it", "it is late"],
    "locale": "en-GB",
    "instruction": "Is it lost?",
    "evolved": "Is it lost, and who pays?",
}


def render(name: str, *, prefers_raw: bool = False, **values: Any) -> str:
    prompt = load_template(name).render({**ITEM, **values}, seed=1, prefers_raw=prefers_raw)
    return "\n".join(message["content"] for message in prompt)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefers_raw", [False, True])
def test_every_template_renders_with_its_seed_limit_and_stops(name: str, prefers_raw: bool) -> None:
    template = load_template(name)
    prompt = template.render(ITEM, seed=41, prefers_raw=prefers_raw)
    assert prompt.seed == 41
    assert prompt.max_tokens == template.form.max_tokens > 0
    assert prompt.stop == tuple(template.form.stop) != ()
    assert prompt.raw == (prefers_raw and template.form.raw is not None)
    assert all(message["content"] == message["content"].strip() != "" for message in prompt)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "hostile", ["{{ 7 * 7 }}", "{% for x in range(9) %}x{% endfor %}", "{# gone #}", "${{"]
)
@pytest.mark.parametrize("prefers_raw", [False, True])
def test_a_value_is_never_read_as_template_text(name: str, hostile: str, prefers_raw: bool) -> None:
    values = {key: [hostile] if isinstance(value, list) else hostile for key, value in ITEM.items()}
    text = render(name, prefers_raw=prefers_raw, **values)
    assert hostile in text
    assert "49" not in text
    assert "xxxxxxxxx" not in text


def test_a_few_shot_text_shows_the_examples_numbered_and_ends_where_the_next_begins() -> None:
    text = render("self_instruct", prefers_raw=True)
    assert "Message 1: where is it\nMessage 2: it is late\nMessage 3:" in text
    assert text.endswith("Message 3:")


def test_an_answer_is_bound_to_the_document_only_where_there_is_one() -> None:
    assert "from this policy: We refund at once." in render("answer")
    assert "policy" not in render("answer", grounding=None)
    assert "from this policy: We refund at once." in render("answer_full")
    assert "policy" not in render("answer_full", grounding=None)


@pytest.mark.parametrize("name", ["magpie", "magpie_turns"])
def test_magpie_asks_with_a_system_prompt_alone(name: str) -> None:
    prompt = load_template(name).render(ITEM, seed=1, prefers_raw=True)
    assert [message["role"] for message in prompt] == ["system"]
    assert not prompt.raw


def test_a_value_that_is_missing_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(UndefinedError, match="seed"):
        load_template("evol_breadth").render({"about": "a shop"}, seed=1, prefers_raw=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(template_module, "TEMPLATES", tmp_path)
    return tmp_path


def write_and_load(folder: Path, text: str) -> template_module.Template:
    (folder / "t.yaml").write_text(text, encoding="utf-8")
    load_template.cache_clear()
    try:
        return load_template("t")
    finally:
        load_template.cache_clear()


def test_the_id_changes_with_any_change_of_the_text(folder: Path) -> None:
    text = "max_tokens: 5\nchat:\n  - {role: user, content: hello}\n"
    first = write_and_load(folder, text)
    assert first.template_id.startswith("t@")
    assert first.text == text
    assert write_and_load(folder, text).template_id == first.template_id
    assert write_and_load(folder, text + "# a comment\n").template_id != first.template_id


@pytest.mark.parametrize(
    "text", ["max_tokens: 5\n", "max_tokens: '5'\nchat: []\n", "max_tokens: 5\nchat: []\nstops: []\n"]
)
def test_a_template_of_another_form_is_refused(folder: Path, text: str) -> None:
    with pytest.raises((ValidationError, ConfigError)):
        write_and_load(folder, text)


def test_the_templates_of_a_method_are_those_that_its_parameters_choose() -> None:
    chosen = [templates_of(method, params) for method, params in PARAMS]
    assert chosen[:3] == [("self_instruct", "answer"), ("magpie", "answer"), ("magpie_turns", "answer_full")]
    assert len(chosen[3]) == 8
    without = templates_of("evol_instruct", {"judge_gain": False, "answers": "full"})
    assert set(chosen[3]) - set(without) == {"evol_gain"}


def test_a_method_that_declares_none_asks_with_no_packaged_template() -> None:
    assert templates_of("somebody's own") == ()
    declare_templates({"somebody's own": ["answer"]})
    assert templates_of("somebody's own") == ("answer",)
    declare_templates({"somebody's own": lambda params: [params["prompt"]]})
    assert templates_of("somebody's own", {"prompt": "magpie"}) == ("magpie",)
    declare_templates({"somebody's own": []})
