"""Names to functions: what a recipe or gate file calls, and the exact parameters that it was given.

    @gate("dedup", version="1")
    def dedup(*, threshold: Annotated[float, Field(ge=0, le=1)] = 0.85) -> Judge: ...

    bound = bind("gate", "dedup", {"threshold": 0.9}, where="gates.yaml: gates[1]", folder=Path("."))
    judge = bound.make()

The signature is the schema: parameters are keyword-only, annotated, and checked strictly (a YAML "0.9"
is refused, not coerced). What was bound, defaults included, is what is recorded. What generic code has to
know of a function beyond its parameters is declared where it is registered, and nowhere else.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from synth_stack.errors import ConfigError

Role = Literal["gate", "generator", "teacher", "engine"]
Factory = TypeVar("Factory", bound=Callable[..., Any])

Part = Literal["content", "reasoning", "tool_calls", "tools", "alternatives", "documents", "extra"]
"""The texts of a row that a gate may read."""

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Stands in an annotation: what a parameter is, beside its type."""

    what: Literal["path", "eval sets", "baseline", "references"]


PATH = _Mark("path")
FilePath = Annotated[str, Field(min_length=1), PATH]
"""The path of a file or folder: relative ones are taken from the folder of the file that they stand in, and
the record has the last part of it alone. `package:` and `hub:` names stay as they are."""

EVAL_SETS = _Mark("eval sets")
"""Marks the parameter (a list) to which a recipe and `--against` add the eval sets that no row may leak."""


BASELINE = _Mark("baseline")
"""Marks the parameter that takes the path of rows which a batch is compared with (`--baseline`)."""

REFERENCES = _Mark("references")
"""Marks the parameter that takes rows of others by name, of which no row may be a copy (`--reference`)."""

Harm = Literal["people", "exams", "truth", "form", "spread"]
"""What a defect that a gate finds does, the gravest first: it reaches people, makes scores of exams
worthless, teaches what is false, breaks the form of a row, or narrows what the rows are about."""


class NamedText(Protocol):
    """A prompt template as a record has it: `template_id` changes with any change of `text`."""

    @property
    def template_id(self) -> str: ...
    @property
    def text(self) -> str: ...


Templates = Callable[[Mapping[str, Any]], Sequence[str | NamedText]]
"""From the parameters of a generator to the templates that it asks with: names of packaged ones, its own."""

ReadStages = Callable[[Sequence[Mapping[str, Any]]], tuple[int, dict[str, Any]]]
"""From stages of a NeMo configuration to how many of the first ones a gate stands for, and its parameters."""

Record = Callable[[Mapping[str, Any]], dict[str, Any]]
"""From the parameters of a generator to what the lock says of them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered function, its version, its signature as a strict pydantic model, and what it declares.

    Of a gate: `reads`, the texts of a row that it looks at; `late`, from its parameters what it says of a
    whole batch (gates/gate.py), or None, and `late_parameters`, those that it depends on; `index`, what
    writes the file that stands for earlier packs; `clusters`, the table of its state that says in which
    cluster a row is (`id`, its hash_ids, and `cluster`); `read_stages`, for a gate that does what stages of
    NeMo Curator do; `harm`, what the defects that it finds do (audits put the gravest first). Of a generator:
    `checked_by`, the gate that looks for the known failure of its rows; `templates`, the prompt templates
    that it asks with, given its parameters; `record`, its parameters as the lock has them. `module` is where
    the function was defined.
    """

    role: Role
    name: str
    version: str
    factory: Callable[..., Any]
    params: type[BaseModel]
    reads: tuple[Part, ...] = ("content",)
    late: Callable[[Mapping[str, Any]], Any] | None = None
    late_parameters: tuple[str, ...] = ()
    index: Callable[..., int] | None = None
    clusters: str | None = None
    read_stages: ReadStages | None = None
    checked_by: str | None = None
    templates: Templates | None = None
    record: Record | None = None
    harm: Harm = "form"

    @property
    def eval_sets(self) -> str | None:
        """The parameter that takes eval sets, if there is one."""
        return self._find_marked(EVAL_SETS)

    @property
    def baseline(self) -> str | None:
        """The parameter that takes rows to compare a batch with, if there is one."""
        return self._find_marked(BASELINE)

    @property
    def references(self) -> str | None:
        """The parameter that takes rows of others by name, if there is one."""
        return self._find_marked(REFERENCES)

    @property
    def module(self) -> str:
        """The module of the function."""
        return str(self.factory.__module__)

    def _find_marked(self, mark: _Mark) -> str | None:
        fields = self.params.model_fields.items()
        return next((name for name, field in fields if mark in field.metadata), None)


@dataclass(frozen=True, slots=True)
class Bound:
    """A registered function with every parameter fixed; `params` is plain JSON, defaults included.

    `recorded` are the same parameters with every path cut to its last part, for records. `make` calls the
    function; where it has positional parameters (`takes`), with those.
    """

    role: Role
    name: str
    version: str
    params: Mapping[str, Any]
    make: Callable[..., Any]
    recorded: Mapping[str, Any] = field(default_factory=dict)
    takes: tuple[str, ...] = ()


_entries: dict[tuple[Role, str], Entry] = {}


def gate(
    name: str,
    *,
    version: str,
    reads: Sequence[Part] = ("content",),
    late: Callable[[Mapping[str, Any]], Any] | None = None,
    late_parameters: Sequence[str] = (),
    index: Callable[..., int] | None = None,
    clusters: str | None = None,
    read_stages: ReadStages | None = None,
    harm: Harm = "form",
) -> Callable[[Factory], Factory]:
    """Register a function that returns a Judge (gates/gate.py)."""
    return _register(
        "gate",
        name,
        version,
        reads=tuple(reads),
        late=late,
        late_parameters=tuple(late_parameters),
        index=index,
        clusters=clusters,
        read_stages=read_stages,
        harm=harm,
    )


def generator(
    name: str,
    *,
    version: str,
    checked_by: str | None = None,
    templates: Templates | None = None,
    record: Record | None = None,
) -> Callable[[Factory], Factory]:
    """Register a function that returns a distilabel Pipeline for a teacher and a plan of items.

    `checked_by` is the gate without which no recipe may use it; `templates` gives from the parameters what it
    asks with, and the lock has the texts. `record` is for a method that reads files of its own: it gives
    digests in the place of their paths, so that changed files are another run, and raises what the method
    itself would raise for files that cannot be read.
    """
    return _register("generator", name, version, checked_by=checked_by, templates=templates, record=record)


def teacher(name: str, *, version: str) -> Callable[[Factory], Factory]:
    """Register a function that returns a distilabel LLM."""
    return _register("teacher", name, version)


def engine(name: str, *, version: str) -> Callable[[Factory], Factory]:
    """Register a function that returns a context manager of an Engine (engines/engine.py).

    `version` is that of the library that runs it: what the manifest of a run records.
    """
    return _register("engine", name, version)


def registered(role: Role) -> dict[str, Entry]:
    """Every entry of one role by name, in the order of registration."""
    return {name: entry for (kind, name), entry in _entries.items() if kind == role}


def list_entries() -> tuple[Entry, ...]:
    """Every entry of every role, in the order of registration."""
    return tuple(_entries.values())


def take_back(entries: Iterable[Entry]) -> None:
    """Forget these entries: of a module that failed halfway, so that it can be loaded again once mended."""
    for entry in entries:
        _entries.pop((entry.role, entry.name), None)


def find_entry(role: Role, name: str, *, where: str) -> Entry:
    """The entry of that name. Raises ConfigError, starting with `where`, for an unknown one."""
    entry = _entries.get((role, name))
    if entry is None:
        raise ConfigError(
            f"{where}: there is no {role} of that name",
            seen=name,
            allowed=", ".join(sorted(registered(role))),
            mend=suggest(name, registered(role)) or "One of another author is loaded with `load:` or --load.",
        )
    return entry


def bind(
    role: Role, name: str, params: Mapping[str, Any], *, where: str, folder: Path | None = None
) -> Bound:
    """The named function with `params` checked against its signature.

    `where` names the place in the user's file and starts every message; relative paths are taken from
    `folder`, the folder of that file (None: from the working folder).

    Raises ConfigError for an unknown name, an unknown parameter, a wrong type or a value out of range.
    """
    entry = find_entry(role, name, where=where)
    paths = list_paths(entry.params)
    given = map_paths(dict(params), paths, lambda path: make_absolute(folder or Path(), path))
    try:
        checked = entry.params.model_validate(given)
    except ValidationError as exc:
        raise config_error(exc, where=where, model=entry.params) from exc
    values = {key: getattr(checked, key) for key in entry.params.model_fields}

    def make(*given: Any) -> Any:
        return entry.factory(*given, **values)

    plain = checked.model_dump(mode="json")
    recorded = map_paths(plain, paths, lambda path: Path(path).name)
    takes = tuple(
        parameter.name
        for parameter in inspect.signature(entry.factory).parameters.values()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    )
    return Bound(role, name, entry.version, plain, make, recorded, takes)


def list_paths(model: type[BaseModel]) -> tuple[str, ...]:
    """The dotted names of the parameters of a model that are paths; `*` stands for each item of a list."""
    found: list[str] = []
    for name, info in model.model_fields.items():
        found += [
            name if not rest else f"{name}.{rest}" for rest in _paths_in(info.annotation, info.metadata)
        ]
    return tuple(found)


def map_paths(value: Any, dotted: Sequence[str], change: Callable[[str], str]) -> Any:
    """A copy of `value` in which each text under one of the `dotted` names is changed.

    Names of packages and of the Hub are no paths, and stay.
    """
    for name in dotted:
        value = _map_at(value, name.split("."), change)
    return value


def make_absolute(folder: Path, named: str) -> str:
    """The absolute path of what `named` means in `folder`. Raises ConfigError."""
    try:
        return str((folder / Path(named).expanduser()).resolve())
    except (OSError, RuntimeError, ValueError) as exc:  # a loop of links, an unknown ~user, a NUL
        raise ConfigError(f"a path cannot be resolved: {exc}", seen=named, mend="Check the path.") from exc


def suggest(seen: str, names: Mapping[str, Any]) -> str | None:
    """A "Did you mean" for a name close to one of `names`, else None."""
    close = difflib.get_close_matches(str(seen), list(names), n=1)
    return f"Did you mean {close[0]!r}?" if close else None


def config_error(exc: ValidationError, *, where: str, model: type[BaseModel]) -> ConfigError:
    """The first complaint of a pydantic validation as one sentence of ours, with all others behind it."""
    # a misspelt key that is required is also missing: the misspelling says more
    complaints = sorted(
        exc.errors(include_url=False), key=lambda complaint: complaint["type"] != "extra_forbidden"
    )
    misspelt = {str(each["loc"][-1]): None for each in complaints if each["type"] == "extra_forbidden"}
    told: list[tuple[Any, ...]] = []
    errors: list[ConfigError] = []
    for complaint in complaints:
        loc = complaint["loc"]
        if complaint["type"] == "missing" and misspelt and suggest(str(loc[-1]), misspelt):
            continue
        if any(loc[: len(other)] == other or other[: len(loc)] == loc for other in told):
            continue  # each branch of a choice complains on its own
        told.append(loc)
        errors.append(_say_complaint(complaint, where, model))
    first, *others = errors
    first.others = tuple(map(str, others))
    return first


def _say_complaint(first: Any, where: str, model: type[BaseModel]) -> ConfigError:
    path = _dotted(first["loc"])
    place = f"{where}: {path}" if path else where
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = _fields_at(model, first["loc"][:-1])
        return ConfigError(
            f"{place} is not a known key",
            seen=key,
            allowed=", ".join(sorted(known)) or None,
            mend=suggest(key, known),
        )
    if first["type"] == "missing":
        return ConfigError(f"{place} is missing")
    if first["type"] == "value_error":
        return ConfigError(f"{place} is not usable: {first['ctx']['error']}")
    allowed = "a mapping of keys" if first["type"] == "model_type" else first["msg"]
    return ConfigError(f"{place} is not usable", seen=repr(first["input"]), allowed=allowed)


def _paths_in(annotation: Any, metadata: Sequence[Any] = ()) -> list[str]:
    """The dotted names of the paths within a value of this type; "" where it is one itself."""
    if PATH in metadata:
        return [""]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(list_paths(annotation))
    inside = [
        name for arg in get_args(annotation) for name in _paths_in(arg, getattr(arg, "__metadata__", ()))
    ]
    if getattr(annotation, "__origin__", None) in {list, dict}:
        return [f"*.{name}" if name else "*" for name in inside]
    return inside


def _map_at(value: Any, keys: Sequence[str], change: Callable[[str], str]) -> Any:
    if not keys:
        keep = not isinstance(value, str) or not value or value.startswith(("package:", "hub:"))
        return value if keep else change(value)
    key, *rest = keys
    if key == "*":
        if isinstance(value, dict):
            return {name: _map_at(item, rest, change) for name, item in value.items()}
        return [_map_at(item, rest, change) for item in value] if isinstance(value, list) else value
    if isinstance(value, dict) and key in value:
        return {**value, key: _map_at(value[key], rest, change)}
    return value


def _register(role: Role, name: str, version: str, **declared: Any) -> Callable[[Factory], Factory]:
    def keep(factory: Factory) -> Factory:
        taken = _entries.get((role, name))
        if taken is not None:
            raise ValueError(f"{role} {name!r} is registered twice: {taken.module} has it already")
        params = _params_model(name, factory)
        _entries[role, name] = Entry(role, name, version, factory, params, **declared)
        return factory

    return keep


def _params_model(name: str, factory: Callable[..., Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue  # a resource: its annotation may name what is imported only when it is made
        annotation = parameter.annotation
        if isinstance(annotation, str):
            annotation = eval(annotation, factory.__globals__)  # noqa: S307  (the source of the function)
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (annotation, default)
    config = ConfigDict(strict=True, extra="forbid", frozen=True, protected_namespaces=())
    return create_model(f"{name}_params", __config__=config, **fields)


def _dotted(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> Mapping[str, Any]:
    current: type[BaseModel] | None = model
    for part in loc:
        if current is not None and isinstance(part, str):  # an index stays in the model of the list
            field = current.model_fields.get(part)
            current = _model_in(field.annotation) if field is not None else None
    return {} if current is None else {(f.alias or name): f for name, f in current.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that `Model`, `list[Model]` or `Model | None` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _model_in(arg))), None)
