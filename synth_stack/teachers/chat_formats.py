"""How a model writes a conversation, and so what opens a user's turn: Magpie's pre-query template.

Xu et al. 2024 (arXiv:2406.08464), section 2.1. A format is a chat template, and what opens a turn is read off
it: everything that it writes before the words of the user. So that of any model is derived from the template
that its tokenizer carries; the families of Magpie's reference code have names of their own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, ModelError
from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.rows.canonical import digest_bytes
from synth_stack.teachers.prompt import tell_message
from synth_stack.text.untrusted_templates import TemplateFault, render_untrusted

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

FILE = Path(__file__).with_name("chat_formats.yaml")

MAX_TEMPLATE_BYTES = 1024 * 1024
"""The largest published ones, with their tools and their dates, are a tenth of it; a configuration with added
tokens is larger, and is read up to 64 times this."""

_CONFIG, _TEMPLATE = "tokenizer_config.json", "chat_template.jinja"
_FIXED_DATE = date(2024, 7, 26)
"""What a template that writes today's date is told: the default that Llama's own template has."""
_MAX_STOPS = 4
"""Stop strings that OpenAI's protocol takes."""

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """A model's chat template. `bos` begins its texts, and is left out: a server puts it in front itself.

    `system_in_turn` is for a format without a system's turn: how its text stands in the first user's.
    """

    name: str
    template: str
    stop: tuple[str, ...] = ()
    bos: str = ""
    system_in_turn: str | None = None

    def open_turn(self, messages: Messages = ()) -> str:
        """All that stands before the words of the user who speaks after `messages`.

        Raises ConfigError for a template that cannot be rendered, or does not say the words of the user.
        """
        opening, _ = self._part(messages)
        return opening.removeprefix(self.bos) if self.bos else opening

    def write_turns(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Finished turns as the text that the model was tuned on; nothing is opened after the last one."""
        return self._render([{"role": said["role"], "content": tell_message(said)} for said in messages])

    def find_end(self) -> str:
        """What stands on the line after the words of the user: it ends their turn. May be empty."""
        return self._part(())[1].strip().partition("\n")[0].strip()

    def _part(self, messages: Messages) -> tuple[str, str]:
        """What stands before and after the words of a further turn of the user."""
        mark = "WORDS"
        while any(mark in said["content"] for said in messages) or mark in self.template:
            mark += "X"
        said = [*messages, {"role": "user", "content": mark}]
        try:
            text = self._render(said)
        except ConfigError:
            if said[0]["role"] != "system":
                raise
            text = self._render(_join_system(said, "{system}\n\n{content}"))
        before, found, after = text.rpartition(mark)
        if not found:
            raise ConfigError(f"the chat template {self.name} does not write what a user says")
        return before, after

    def _render(self, messages: Messages) -> str:
        from jinja2 import TemplateError

        said = _join_system(messages, self.system_in_turn) if self.system_in_turn else messages
        values = {"bos_token": self.bos, "eos_token": "", "add_generation_prompt": False, "tools": None}
        try:
            return render_untrusted(_compile(self.template), {"messages": list(said), **values})
        except (TemplateError, TemplateFault) as exc:  # it does not compile, or goes wrong
            raise ConfigError(f"the chat template {self.name} cannot be rendered: {exc}") from exc


class _Preset(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    name: str
    template: str
    stop: list[str] = Field(min_length=1)
    system_in_turn: str | None = None
    models: list[str] = []


class _Presets(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    formats: list[_Preset]


@cache
def load_presets() -> Mapping[str, ChatFormat]:
    """The formats that have a name, in the order of their file."""
    return {
        each.name: ChatFormat(each.name, each.template, tuple(each.stop), "", each.system_in_turn)
        for each in _read_presets().formats
    }


def list_models() -> dict[str, str]:
    """The name of the format of each model whose pre-query template Magpie's reference code has."""
    return {model: each.name for each in _read_presets().formats for model in each.models}


def _check_name(name: str) -> str:
    if name not in load_presets():
        raise ValueError(f"there is no {name!r} among {', '.join(load_presets())}")
    return name


ChatFormatName = Annotated[str, AfterValidator(_check_name)]


def choose_format(chat_format: str | None, tokenizer: str | None) -> ChatFormat | None:
    """The format that a recipe names, or that of the tokenizer that it names; None where it names neither.

    Raises ConfigError for both, and what `derive_format` raises.
    """
    if chat_format is not None and tokenizer is not None:
        raise ConfigError(
            "teacher.chat_format and teacher.tokenizer both say how the model writes a conversation",
            mend="Leave one of them out; the tokenizer's own template is exact.",
        )
    if tokenizer is not None:
        return derive_format(tokenizer)
    return load_presets()[chat_format] if chat_format is not None else None


def derive_format(source: str) -> ChatFormat:
    """The format of a tokenizer: a folder, a file of it (tokenizer_config.json, .jinja), or hub:OWNER/REPO.

    Its name holds the digest of the template. Raises ModelError for what cannot be read, ConfigError for a
    template that does not say what a user says.
    """
    files = _find_files(source)
    config = _read_config(files.get(_CONFIG))
    template = _read_text(files[_TEMPLATE]) if _TEMPLATE in files else _pick_template(config)
    if template is None:
        raise ModelError(
            f"{_name(source)} has no chat template",
            allowed=f"a folder with {_CONFIG} or {_TEMPLATE}, one of these files, or hub:OWNER/REPO",
            mend="Name one of the presets as teacher.chat_format instead.",
        )
    bos, eos = _read_token(config, "bos_token"), _read_token(config, "eos_token")
    name = f"tokenizer@{digest_bytes(template.encode())[:12]}"
    bare = ChatFormat(name, template, (), bos)
    stops = dict.fromkeys(stop for stop in (bare.find_end(), eos) if stop)
    return ChatFormat(name, template, tuple(stops)[:_MAX_STOPS], bos)


def describe_format(chosen: ChatFormat | None) -> dict[str, Any]:
    """A format as the fields of a distilabel LLM, plain JSON."""
    if chosen is None:
        return {"chat_format": None, "use_magpie_template": False, "magpie_pre_query_template": None}
    told = {
        "chat_format": chosen.name,
        "use_magpie_template": True,
        "magpie_pre_query_template": chosen.open_turn(),
    }
    if chosen.name in load_presets():
        return told
    return {**told, "chat_template": [chosen.template, chosen.bos, *chosen.stop]}


def read_format(name: str | None, template: Sequence[str]) -> ChatFormat | None:
    """The format that `describe_format` has described by `chat_format` and `chat_template`."""
    if name is None:
        return None
    if not template:
        return load_presets()[_check_name(name)]
    text, bos, *stop = template
    return ChatFormat(name, text, tuple(stop), bos)


@cache
def _read_presets() -> _Presets:
    return _Presets.model_validate(parse_yaml(FILE.read_text(encoding="utf-8"), where=FILE.name))


@cache
def _compile(template: str) -> "Template":
    return _environment().from_string(template)


@cache
def _environment() -> "ImmutableSandboxedEnvironment":
    """What tokenizers render their templates with: blocks trimmed, and three functions of their own."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> str:
        raise TemplateError(message)

    def write_date(form: str) -> str:
        return _FIXED_DATE.strftime(form)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    made.globals |= {"raise_exception": refuse, "strftime_now": write_date}
    made.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    return made


def _join_system(messages: Messages, form: str) -> Messages:
    """The messages with that of the system in the first of the user, for formats that know no system."""
    if not messages or messages[0]["role"] != "system":
        return messages
    system, *rest = messages
    if not rest or rest[0]["role"] != "user":
        return rest
    text = form.replace("{system}", system["content"]).replace("{content}", rest[0]["content"])
    return [{"role": "user", "content": text}, *rest[1:]]


def _find_files(source: str) -> dict[str, Path]:
    """The files of a tokenizer that are there, by name."""
    if source.startswith("hub:"):
        return _fetch_files(source.removeprefix("hub:"))
    path = Path(source)
    if path.is_dir():
        return {name: path / name for name in (_CONFIG, _TEMPLATE) if (path / name).is_file()}
    if not path.is_file():
        raise ModelError(f"there is no tokenizer at {source}", mend="Check teacher.tokenizer.")
    return {_TEMPLATE if path.suffix == ".jinja" else _CONFIG: path}


def _fetch_files(repository: str) -> dict[str, Path]:
    import httpx2
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    found: dict[str, Path] = {}
    for name in (_CONFIG, _TEMPLATE):
        try:
            found[name] = Path(hf_hub_download(repository, name))
        except EntryNotFoundError:
            continue
        except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as exc:
            raise ModelError(
                f"the Hub gave no {name} of {repository}",
                seen=" ".join(f"{type(exc).__name__}: {exc}".split())[:200],
                mend="Connect and run again, or name the folder of the tokenizer.",
            ) from exc
    return found


def _read_text(path: Path, limit: int = MAX_TEMPLATE_BYTES) -> str:
    try:
        if path.stat().st_size > limit:
            raise ModelError(f"{path.name} is too large for a chat template", allowed=f"{limit} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"{path.name} cannot be read: {type(exc).__name__}") from exc


def _read_config(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        config = json.loads(_read_text(path, 64 * MAX_TEMPLATE_BYTES))
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{path.name} is no JSON: {exc}") from exc
    if not isinstance(config, dict):
        raise ModelError(f"{path.name} is no JSON object")
    return config


def _pick_template(config: Mapping[str, Any]) -> str | None:
    """The template of a configuration; of several named ones the default."""
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
        found = named.get("default")
    return found if isinstance(found, str) and len(found.encode()) <= MAX_TEMPLATE_BYTES else None


def _read_token(config: Mapping[str, Any], key: str) -> str:
    token = config.get(key)
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _name(source: str) -> str:
    return source if source.startswith("hub:") else Path(source).name
