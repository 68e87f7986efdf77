"""Prompt templates: versioned files whose id changes with their text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2 import Template as JinjaTemplate
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict

from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.rows.canonical import digest_bytes
from synth_stack.teachers.prompt import Prompt

TEMPLATES = Path(__file__).parent / "templates"


Names = Sequence[str]
Declared = Names | Callable[[Mapping[str, Any]], Names]

_asked_with: dict[str, Declared] = {}


def declare_templates(methods: Mapping[str, Declared]) -> None:
    """Note the names of the packaged templates that each method asks with, for the lock of a run.

    A method whose parameters choose among them gives a function of its parameters.
    """
    _asked_with.update(methods)


def templates_of(method: str, params: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The names of the packaged templates that a method asks with; none for a method that declared none."""
    declared = _asked_with.get(method, ())
    return tuple(declared(params or {}) if callable(declared) else declared)


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    max_tokens: int
    stop: list[str] = []
    sampling: dict[str, float] = {}
    raw: str | None = None
    chat: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt template. `template_id` is its name and the start of its file's SHA-256.

    `chat` is for tuned models; `raw`, where there is one, is a text with examples for a small model to
    continue, which it does far better than it follows instructions.
    """

    template_id: str
    text: str
    form: _Form

    def render(self, values: Mapping[str, Any], *, seed: int, prefers_raw: bool) -> Prompt:
        """The prompt with `values` filled in; a value is data and is never read as template text."""
        form = self.form
        raw = form.raw is not None and prefers_raw
        chat = [{"role": "user", "content": form.raw or ""}] if raw else form.chat
        messages = [{"role": m["role"], "content": _fill(m["content"], values)} for m in chat]
        return Prompt(
            messages, seed=seed, max_tokens=form.max_tokens, stop=form.stop, sampling=form.sampling, raw=raw
        )


@cache
def load_template(name: str) -> Template:
    """The packaged template of that name."""
    text = (TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8")
    template_id = f"{name}@{digest_bytes(text.encode())[:12]}"
    return Template(template_id, text, _Form.model_validate(parse_yaml(text, where=name)))


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined)


@cache
def _compile(text: str) -> JinjaTemplate:
    return _environment().from_string(text)


def _fill(text: str, values: Mapping[str, Any]) -> str:
    return _compile(text).render(values).strip()
