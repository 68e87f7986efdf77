"""Names to functions: what a recipe or gate file calls, and the exact parameters that it was given.

    @gate("dedup", version="1")
    def dedup(*, threshold: Annotated[float, Field(ge=0, le=1)] = 0.85) -> Judge: ...

    bound = bind("gate", "dedup", {"threshold": 0.9}, where="gates.yaml: gates[1]")
    judge = bound.make()

The signature is the schema: parameters are keyword-only, annotated, and checked strictly (a YAML "0.9"
is refused, not coerced). What was bound, defaults included, is what is recorded.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from synth_stack.errors import ConfigError

Role = Literal["gate", "generator", "teacher"]
Factory = TypeVar("Factory", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered function, its version, and its signature as a strict pydantic model.

    `redecide` is a gate's decision arithmetic alone, for `replay`.
    """

    role: Role
    name: str
    version: str
    factory: Callable[..., Any]
    params: type[BaseModel]
    redecide: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A registered function with every parameter fixed; `params` is plain JSON, defaults included.

    `resources` names what `make` takes besides: the positional parameters of the function.
    """

    role: Role
    name: str
    version: str
    params: Mapping[str, Any]
    make: Callable[..., Any]
    resources: tuple[str, ...] = ()


_entries: dict[tuple[Role, str], Entry] = {}


def gate(
    name: str, *, version: str, redecide: Callable[..., Any] | None = None
) -> Callable[[Factory], Factory]:
    """Register a function that returns a Judge.

    `redecide(old, new, facts, rows)` decides again from stored scores, without models: it takes the old and
    the new parameters (plain mappings), the judge's facts, and a polars frame of its verdicts (`row_id`,
    `slice`, `outcome`, `score`, `threshold`, `reason`, `evidence`, `scope`) and returns that frame with
    outcome and threshold as the new parameters give them. A row that no longer reaches the gate has no slice;
    verdicts on a whole slice or batch may come and go. The frame may be empty. It raises ConfigError for a
    parameter that cannot change without judging the rows again. A gate without it keeps its verdicts, and
    its parameters.
    """
    return _register("gate", name, version, redecide)


def generator(name: str, *, version: str) -> Callable[[Factory], Factory]:
    """Register a function that returns a distilabel Pipeline for a teacher and a plan of items."""
    return _register("generator", name, version)


def teacher(name: str, *, version: str) -> Callable[[Factory], Factory]:
    """Register a function that returns a distilabel LLM."""
    return _register("teacher", name, version)


def registered(role: Role) -> dict[str, Entry]:
    """Every entry of one role by name, in the order of registration."""
    return {name: entry for (kind, name), entry in _entries.items() if kind == role}


def bind(role: Role, name: str, params: Mapping[str, Any], *, where: str) -> Bound:
    """The named function with `params` checked against its signature.

    `where` names the place in the user's file and starts every message. `make(**resources)` calls the
    function with the checked parameters and the resources that are no configuration: positional
    parameters of the function.

    Raises ConfigError for an unknown name, an unknown parameter, a wrong type or a value out of range.
    """
    entry = _entries.get((role, name))
    if entry is None:
        raise ConfigError(
            f"{where}: there is no {role} of that name",
            seen=name,
            allowed=", ".join(sorted(registered(role))),
            mend=suggest(name, registered(role)),
        )
    try:
        checked = entry.params.model_validate(dict(params))
    except ValidationError as exc:
        raise config_error(exc, where=where, model=entry.params) from exc
    values = {key: getattr(checked, key) for key in entry.params.model_fields}

    def make(*resources: Any) -> Any:
        return entry.factory(*resources, **values)

    plain = checked.model_dump(mode="json")
    resources = tuple(
        parameter.name
        for parameter in inspect.signature(entry.factory).parameters.values()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    )
    return Bound(role, name, entry.version, plain, make, resources)


def suggest(seen: str, names: Mapping[str, Any]) -> str | None:
    """A "Did you mean" for a name close to one of `names`, else None."""
    close = difflib.get_close_matches(str(seen), list(names), n=1)
    return f"Did you mean {close[0]!r}?" if close else None


def config_error(exc: ValidationError, *, where: str, model: type[BaseModel]) -> ConfigError:
    """The first complaint of a pydantic validation as one sentence of ours."""
    complaints = exc.errors(include_url=False)
    # a misspelt key that is required is also missing: the misspelling says more
    first = min(complaints, key=lambda complaint: complaint["type"] != "extra_forbidden")
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


def _register(
    role: Role, name: str, version: str, redecide: Callable[..., Any] | None = None
) -> Callable[[Factory], Factory]:
    def keep(factory: Factory) -> Factory:
        if (role, name) in _entries:
            raise ValueError(f"{role} {name!r} is registered twice")
        params = _params_model(name, factory)
        _entries[role, name] = Entry(role, name, version, factory, params, redecide)
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
