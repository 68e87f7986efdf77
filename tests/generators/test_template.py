"""Prompt templates: an id that changes with the text, and values that stay values."""

from pathlib import Path
from typing import Any

import pytest

import synth_stack.generators  # noqa: F401  (registers the methods)
from synth_stack.errors import ConfigError
from synth_stack.generators.template import (
    MAX_TEMPLATE_BYTES,
    Template,
    find_templates,
    load_template,
    read_template,
)
from synth_stack.registry import bind, generator


def list_names(method: str, params: dict[str, Any]) -> list[str]:
    """The names of the templates that a method declares for these parameters."""
    bound = bind("generator", method, params, where="test")
    return [template.template_id.partition("@")[0] for template in find_templates(bound)]


PARAMS: list[tuple[str, dict[str, Any]]] = [
    ("self_instruct", {"answers": "short"}),
    ("magpie", {"turns": 1, "answers": "short"}),
    ("magpie", {"turns": 2, "answers": "full"}),
    ("evol_instruct", {"judge_gain": True, "answers": "full"}),
]
NAMES = sorted({name for method, params in PARAMS for name in list_names(method, params)})
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
    form = load_template(name).form
    prompt = load_template(name).render(ITEM, seed=41, prefers_raw=prefers_raw)
    assert prompt.seed == 41
    assert prompt.raw == (prefers_raw and form.raw is not None)
    said = form.small_model.model_dump(exclude_none=True) if prompt.raw else {}
    assert prompt.max_tokens == said.get("max_tokens", form.max_tokens) > 0
    assert prompt.stop == tuple(said.get("stop", form.stop))
    assert prompt.stop or not prompt.raw  # a chat ends by itself, a text that is continued does not
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


def test_a_value_that_is_missing_is_an_error_that_lists_those_that_are_there() -> None:
    with pytest.raises(
        ConfigError, match=r"template evol_breadth@\w+ cannot be filled in: 'seed'.*about"
    ) as caught:
        load_template("evol_breadth").render({"about": "a shop"}, seed=1, prefers_raw=False)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    ["{{ 1 / 0 }}", "{{ [].__class__ }}", "{{ 'a' + 1 }}", "{% for x in range(10 ** 9) %}{% endfor %}"],
)
def test_an_expression_that_fails_is_one_sentence(text: str, tmp_path: Path) -> None:
    template = write_and_read(tmp_path, f'max_tokens: 5\nchat:\n  - {{role: user, content: "{text}"}}\n')
    with pytest.raises(ConfigError, match="cannot be filled in"):
        template.render({}, seed=1, prefers_raw=False)


def write_and_read(folder: Path, text: str, name: str = "t.yaml") -> Template:
    (folder / name).write_text(text, encoding="utf-8")
    return read_template(folder / name)


HELLO = "max_tokens: 5\nchat:\n  - {role: user, content: hello}\n"


def test_the_id_changes_with_any_change_of_the_text(tmp_path: Path) -> None:
    first = write_and_read(tmp_path, HELLO)
    assert first.template_id.startswith("t@")
    assert first.text == HELLO
    assert write_and_read(tmp_path, HELLO).template_id == first.template_id
    assert write_and_read(tmp_path, HELLO + "# a comment\n").template_id != first.template_id


def test_a_file_of_another_author_may_have_the_name_of_a_packaged_one(tmp_path: Path) -> None:
    own = write_and_read(tmp_path, HELLO, "answer.yaml")
    assert own.template_id.startswith("answer@")
    assert own.template_id != load_template("answer").template_id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_tokens: 5\n", "chat is missing"),
        ("max_tokens: '5'\nchat: []\n", "max_tokens is not usable"),
        ("max_tokens: 0\nchat:\n  - {role: user, content: a}\n", "max_tokens is not usable"),
        ("max_tokens: 5\nchat: []\n", "chat is not usable"),
        ("max_tokens: 5\nchat:\n  - {role: tool, content: a}\n", "role is not usable"),
        (HELLO + "stops: []\n", "stops is not a known key"),
        (HELLO.replace("hello", "'{{ hello'"), "is not a Jinja template"),
        (HELLO.replace("hello", "'{% include \"x\" %}{% endfor %}'"), "is not a Jinja template"),
        ("- a\n", "is not usable"),
        ("{", "is not YAML"),
        ("#" * (MAX_TEMPLATE_BYTES + 1), "is too large"),
    ],
)
def test_a_file_that_is_no_template_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        write_and_read(tmp_path, text)


def test_a_file_that_cannot_be_read_or_whose_name_no_row_could_carry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_template(tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"max_tokens: 5 # \xe9")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_template(tmp_path / "latin.yaml")
    with pytest.raises(ConfigError, match=r"named after its file; seen: two words.yaml"):
        write_and_read(tmp_path, HELLO, "two words.yaml")


@pytest.mark.parametrize("name", ["nowhere", "../answer", "", "answer.yaml", "a\0b"])
def test_a_packaged_template_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no packaged template of that name.*allowed: .*answer_full"):
        load_template(name)


def test_the_templates_of_a_method_are_those_that_its_parameters_choose() -> None:
    chosen = [list_names(method, params) for method, params in PARAMS]
    assert chosen[:3] == [["self_instruct", "answer"], ["magpie", "answer"], ["magpie_turns", "answer_full"]]
    assert len(chosen[3]) == 8
    without = list_names("evol_instruct", {"judge_gain": False, "answers": "full"})
    assert set(chosen[3]) - set(without) == {"evol_gain"}


def test_a_method_declares_packaged_templates_its_own_or_none(tmp_path: Path) -> None:
    own = write_and_read(tmp_path, HELLO)
    declared: dict[str, Any] = {
        "template-test-none": None,
        "template-test-own": lambda params: [own, params["prompt"]],
        "template-test-wrong": lambda params: [tmp_path],
    }
    for name, templates in declared.items():
        generator(name, version="1", templates=templates)(choose_prompt)

    assert list_names("template-test-none", {"prompt": "magpie"}) == []
    assert list_names("template-test-own", {"prompt": "magpie"}) == ["t", "magpie"]
    with pytest.raises(ConfigError, match="no packaged template of that name; seen: nowhere"):
        list_names("template-test-own", {"prompt": "nowhere"})
    with pytest.raises(ConfigError, match="declares a template that is none; seen: PosixPath"):
        list_names("template-test-wrong", {"prompt": "magpie"})


def choose_prompt(*, prompt: str) -> None:
    """A method that is never made."""
