"""What opens a user's turn: of the families of Magpie's reference code, and of any tokenizer's own template."""

import json
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, ModelError
from synth_stack.teachers.chat_formats import (
    ChatFormat,
    choose_format,
    derive_format,
    describe_format,
    list_models,
    load_presets,
    read_format,
)

LLAMA3 = "<|start_header_id|>user<|end_header_id|>\n\n"
CHATML = "<|im_start|>user\n"
QWEN25 = (
    "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
    + CHATML
)
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions.\n\nUSER: "
)
PUBLISHED = {
    **dict.fromkeys(
        """meta-llama/Meta-Llama-3-8B-Instruct meta-llama/Meta-Llama-3.1-8B-Instruct
        meta-llama/Meta-Llama-3-70B-Instruct meta-llama/Meta-Llama-3.1-70B-Instruct
        meta-llama/Meta-Llama-3.1-405B-Instruct meta-llama/Llama-3.3-70B-Instruct""".split(),
        LLAMA3,
    ),
    "lmsys/vicuna-7b-v1.5": VICUNA,
    "meta-llama/Llama-2-7b-chat-hf": "[INST] ",
    "NousResearch/Nous-Hermes-llama-2-7b": "### Instruction:\n\n",
    **dict.fromkeys(
        """Qwen/Qwen2-72B-Instruct Qwen/Qwen2-7B-Instruct Qwen/Qwen2-1.5B-Instruct Qwen/Qwen2-Math-7B-Instruct
        Qwen/Qwen1.5-7B-Chat 01-ai/Yi-1.5-34B-Chat""".split(),
        CHATML,
    ),
    **dict.fromkeys(
        """Qwen/Qwen2.5-1.5B-Instruct Qwen/Qwen2.5-3B-Instruct Qwen/Qwen2.5-7B-Instruct
        Qwen/Qwen2.5-Coder-7B-Instruct Qwen/Qwen2.5-14B-Instruct Qwen/Qwen2.5-32B-Instruct
        Qwen/Qwen2.5-Coder-32B-Instruct Qwen/Qwen2.5-Math-72B-Instruct Qwen/Qwen2.5-72B-Instruct""".split(),
        QWEN25,
    ),
    "mistralai/Mistral-7B-Instruct-v0.3": "[INST] ",
    # the reference has a second line break for the three of Gemma 2, which their own template has not
    **dict.fromkeys(
        "google/gemma-1.1-7b-it google/gemma-2-27b-it google/gemma-2-9b-it google/gemma-2-2b-it".split(),
        "<start_of_turn>user\n",
    ),
    **dict.fromkeys(
        """microsoft/Phi-3-mini-128k-instruct microsoft/Phi-3-small-128k-instruct
        microsoft/Phi-3-medium-128k-instruct microsoft/Phi-3.5-mini-instruct""".split(),
        "<|user|>\n",
    ),
    "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct": "User: ",
}
"""The pre-query templates of Magpie's reference code (configs/model_configs.json), without the token that
begins a text."""

SYSTEM = {"role": "system", "content": "You sell lamps."}
TALK = [{"role": "user", "content": "hi WORDS"}, {"role": "assistant", "content": "hello"}]


def test_every_model_of_the_reference_is_opened_as_it_opens_it() -> None:
    models = list_models()
    assert len(PUBLISHED) == 34
    assert {model: load_presets()[name].open_turn() for model, name in models.items()} == PUBLISHED


@pytest.mark.parametrize("name", load_presets())
def test_a_turn_is_opened_after_a_system_prompt_and_a_conversation(name: str) -> None:
    known = load_presets()[name]
    opened = known.open_turn([SYSTEM, *TALK])
    assert opened.index("You sell lamps.") < opened.index("hi WORDS") < opened.index("hello")
    assert opened.endswith(known.open_turn()[-4:])
    assert known.stop
    assert known.open_turn([SYSTEM]).count("You sell lamps.") == 1
    assert not known.open_turn([SYSTEM]).rstrip().endswith(known.stop[0])


QWEN = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or message.role == 'assistant' %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}"""
GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"""
DATED = "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{% if loop.index > 9 %}{% break %}{% endif %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"


def write(folder: Path, template: object, **config: object) -> str:
    told = {"chat_template": template, "bos_token": "<bos>", "eos_token": {"content": "<eos>"}, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    return str(folder)


def test_the_format_of_a_tokenizer_is_derived_from_its_template(tmp_path: Path) -> None:
    found = derive_format(write(tmp_path, QWEN))
    assert found.open_turn() == CHATML
    assert found.open_turn([SYSTEM]) == f"<|im_start|>system\nYou sell lamps.<|im_end|>\n{CHATML}"
    assert found.stop == ("<|im_end|>", "<eos>")
    assert found.name.startswith("tokenizer@")


def test_a_template_without_a_system_s_turn_has_its_text_in_the_user_s(tmp_path: Path) -> None:
    found = derive_format(write(tmp_path, GEMMA))
    assert found.open_turn() == "<start_of_turn>user\n"  # and not <bos>, which the server writes
    assert found.open_turn([SYSTEM]) == "<start_of_turn>user\nYou sell lamps.\n\n"
    assert found.open_turn([SYSTEM, *TALK]).endswith("model\nhello<end_of_turn>\n<start_of_turn>user\n")
    assert found.stop == ("<end_of_turn>", "<eos>")


def test_the_default_of_several_templates_is_taken_and_the_date_is_always_the_same(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": DATED}]
    assert derive_format(write(tmp_path, named)).open_turn() == "26 Jul 2024<user>"


def test_a_template_file_goes_before_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, QWEN)
    (tmp_path / "chat_template.jinja").write_text(GEMMA, encoding="utf-8")
    assert derive_format(str(tmp_path)).open_turn() == "<start_of_turn>user\n"
    alone = derive_format(str(tmp_path / "chat_template.jinja"))
    assert alone.open_turn() == "<start_of_turn>user\n"
    assert alone.stop == ("<end_of_turn>",)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{% for %}", "cannot be rendered"),
        ("nothing of it", "does not write what a user says"),
        ("{{ messages.nothing.at.all }}{{ messages[0].content }}", "cannot be rendered"),
        ("{{ ''.__class__.__mro__ }}{{ messages[0].content }}", "cannot be rendered"),
        ("{{ raise_exception('no') }}", "cannot be rendered"),
        ("{% for k in range(10 ** 9) %}{% endfor %}", "cannot be rendered"),
    ],
)
def test_a_template_that_is_none_is_refused(template: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        derive_format(write(tmp_path, template))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON"),
        ("{}", "no chat template"),
        ('{"chat_template": 7}', "no chat template"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=says):
        derive_format(str(tmp_path))


def test_nothing_there_and_two_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no tokenizer"):
        derive_format(str(tmp_path / "none"))
    with pytest.raises(ModelError, match="no chat template"):
        derive_format(str(tmp_path))
    with pytest.raises(ConfigError, match="both say"):
        choose_format("qwen2", str(tmp_path))
    assert choose_format(None, None) is None


@pytest.mark.parametrize(
    "chosen", [load_presets()["gemma"], ChatFormat("tokenizer@1", GEMMA, ("a", "b"), "<bos>")]
)
def test_a_format_comes_back_from_the_fields_of_an_llm(chosen: ChatFormat) -> None:
    told = json.loads(json.dumps(describe_format(chosen)))
    assert told["magpie_pre_query_template"] == "<start_of_turn>user\n"
    assert read_format(told["chat_format"], told.get("chat_template", [])) == chosen
    assert read_format(describe_format(None)["chat_format"], []) is None
