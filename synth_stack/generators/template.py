"""Prompt templates: files whose id changes with their text, the packaged ones and those of other authors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2 import Template as JinjaTemplate
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError
from synth_stack.inputs.strict_yaml import parse_yaml, read_text
from synth_stack.inputs.template_use import OnCut, TemplateUse
from synth_stack.inputs.yaml_models import validate
from synth_stack.registry import Bound, find_entry, suggest
from synth_stack.rows.canonical import digest_bytes
from synth_stack.teachers.prompt import Prompt
from synth_stack.text.untrusted_templates import TemplateFault, render_untrusted

TEMPLATES = Path(__file__).parent / "templates"

MAX_TEMPLATE_BYTES = 256 * 1024
"""The lock of a run holds every template whole; a longer prompt fits into few context windows."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""A row names its templates with blanks between them, and their ids end in `@` and a digest."""

ON_CUT: OnCut = "retry"
"""A whole answer at the price of a second call, for the few that are cut."""

_ROLES = ("system", "user", "assistant")


class _Turn(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    role: str = Field(pattern=f"^({'|'.join(_ROLES)})$")
    content: str


class _SmallModel(BaseModel):
    """What a `raw` text is asked with in the place of what a chat is."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    max_tokens: int | None = Field(default=None, ge=1)
    stop: list[str] | None = None
    sampling: dict[str, float] | None = None


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    max_tokens: int = Field(ge=1)
    on_cut: OnCut | None = None
    stop: list[str] = []
    sampling: dict[str, float] = {}
    raw: str | None = None
    small_model: _SmallModel = _SmallModel()
    chat: list[_Turn] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt template. `template_id` is its name and the start of its file's SHA-256.

    `chat` is for tuned models; `raw`, where there is one, is a text with examples for a small model to
    continue, which it does far better than it follows instructions; `small_model` is what it is asked with.
    """

    template_id: str
    text: str
    form: _Form

    def render(self, values: Mapping[str, Any], *, seed: int, prefers_raw: bool) -> Prompt:
        """The prompt with `values` filled in; a value is data and is never read as template text.

        Raises ConfigError for a template that asks for a value which is not there.
        """
        form = self.form
        raw = form.raw is not None and prefers_raw
        small = form.small_model.model_dump(exclude_none=True)
        chat = [_Turn(role="user", content=form.raw or "")] if raw else form.chat
        messages = [{"role": turn.role, "content": self._fill(turn.content, values)} for turn in chat]
        return Prompt(
            messages,
            seed=seed,
            **(form.model_dump(include={"max_tokens", "stop", "sampling"}) | (small if raw else {})),
            raw=raw,
            on_cut=form.on_cut or ON_CUT,
        )

    @property
    def name(self) -> str:
        """The name by which a recipe changes it."""
        return self.template_id.partition("@")[0]

    def changed(self, use: TemplateUse, on_cut: OnCut | None = None) -> "Template":
        """The template as a recipe has it: another file, and what is said beside it. Raises ConfigError."""
        taken = read_template(use.file) if use.file else self
        said = use.model_dump(exclude={"file"}, exclude_none=True)
        small = taken.form.small_model.model_dump(exclude=set(said), exclude_none=True)
        form = taken.form.model_copy(update={**said, "small_model": _SmallModel(**small)})
        if form.on_cut is None and on_cut is not None:
            form = form.model_copy(update={"on_cut": on_cut})
        return replace(taken, form=form)

    def record(self) -> dict[str, Any]:
        """What it asks with beside its text, as the lock has it: no float is in a signed record."""
        form, small = self.form, self.form.small_model.model_dump(exclude_none=True)
        return {
            "template_id": self.template_id,
            "max_tokens": form.max_tokens,
            "stop": list(form.stop),
            "sampling": {name: repr(value) for name, value in sorted(form.sampling.items())},
            "on_cut": form.on_cut or ON_CUT,
            **({"small_model": _record(small)} if small else {}),
        }

    def _fill(self, text: str, values: Mapping[str, Any]) -> str:
        try:
            return render_untrusted(_compile(text), values).strip()
        except TemplateFault as exc:
            raise ConfigError(
                f"template {self.template_id} cannot be filled in: {exc}",
                allowed=", ".join(sorted(name for name in values if name.isidentifier())),
                mend="Name a value that the row has at this step.",
            ) from exc


@dataclass(frozen=True, slots=True)
class TemplateChanges:
    """The templates of a method that its recipe has changed, by name, and what becomes of a cut answer."""

    templates: Mapping[str, Template] = field(default_factory=dict)
    on_cut: OnCut | None = None

    def find(self, named: str | Template) -> Template:
        """The template that is meant, as the recipe has it. Raises ConfigError for a name that is none."""
        template = load_template(named) if isinstance(named, str) else named
        changed = self.templates.get(template.name)
        if changed is not None:
            return changed
        return template.changed(_NO_CHANGE, self.on_cut) if self.on_cut is not None else template


_NO_CHANGE = TemplateUse()


def change_templates(
    bound: Bound, uses: Mapping[str, TemplateUse], on_cut: OnCut | None, *, where: str
) -> TemplateChanges:
    """The templates of a bound method as a recipe changes them.

    Raises ConfigError for a name that the method has no template of, and for a file that is none.
    """
    own = {template.name: template for template in find_templates(bound)}
    for name in uses:
        if name not in own:
            raise ConfigError(
                f"{where}: {bound.name} asks with no template of that name",
                seen=name,
                allowed=", ".join(sorted(own)) or "none: it declares no template",
                mend=suggest(name, own),
            )
    return TemplateChanges({name: own[name].changed(use, on_cut) for name, use in uses.items()}, on_cut)


@cache
def load_template(name: str) -> Template:
    """The packaged template of that name. Raises ConfigError for a name that is none."""
    path = TEMPLATES / f"{name}.yaml"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise ConfigError(
            "there is no packaged template of that name",
            seen=name,
            allowed=", ".join(sorted(each.stem for each in TEMPLATES.glob("*.yaml"))),
        )
    return read_template(path)


def read_template(path: str | Path) -> Template:
    """The template in a YAML file of any author; its name is that of the file, without `.yaml`.

    Raises ConfigError for a file that cannot be read as one.
    """
    path = Path(path)
    if not _NAME.fullmatch(path.stem):
        raise ConfigError(
            "a template is named after its file",
            seen=path.name,
            allowed="letters, digits, dots, dashes and underscores",
            mend="Rename the file.",
        )
    text = read_text(path, max_bytes=MAX_TEMPLATE_BYTES)
    form = validate(_Form, parse_yaml(text, where=str(path)), path)
    for part in [form.raw or "", *(turn.content for turn in form.chat)]:
        try:
            _compile(part)
        except TemplateError as exc:
            raise ConfigError(f"{path} is not a Jinja template: {exc}") from exc
    return Template(f"{path.stem}@{digest_bytes(text.encode())[:12]}", text, form)


def _record(asked_with: Mapping[str, Any]) -> dict[str, Any]:
    """What a small model is asked with, as the lock has it."""
    sampling = asked_with.get("sampling")
    told = {} if sampling is None else {"sampling": {k: repr(v) for k, v in sorted(sampling.items())}}
    return {**asked_with, **told}


def make_template(name: str, text: str, *, max_tokens: int) -> Template:
    """A template of one turn that stands in a recipe itself. Raises ConfigError for what is no template."""
    try:
        _compile(text)
    except TemplateError as exc:
        raise ConfigError(f"the template {name} is not a Jinja template: {exc}", seen=text[:80]) from exc
    form = _Form(max_tokens=max_tokens, chat=[_Turn(role="user", content=text)])
    return Template(f"{name}@{digest_bytes(text.encode())[:12]}", text, form)


def find_templates(bound: Bound) -> tuple[Template, ...]:
    """The templates that a bound generator declares for its parameters. Raises ConfigError."""
    where = f"generator {bound.name}"
    declared = find_entry("generator", bound.name, where=where).templates
    return tuple(_resolve(each, where) for each in (declared(bound.params) if declared else ()))


def _resolve(named: object, where: str) -> Template:
    if isinstance(named, str):
        return load_template(named)
    if isinstance(named, Template):
        return named
    raise ConfigError(
        f"{where} declares a template that is none",
        seen=type(named).__name__,
        allowed="the name of a packaged template, or what read_template returned",
    )


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined)


@cache
def _compile(text: str) -> JinjaTemplate:
    return _environment().from_string(text)
