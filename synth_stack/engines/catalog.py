"""Engines by name, with their options: what `--engine` and the argument `engine` choose from.

    chosen = choose_engine({"use": "dask", "workers": 4})
    with chosen.open() as opened: ...

An engine's module, and with it the library that it stands on, is imported when it is chosen.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from synth_stack.engines.engine import Engine
from synth_stack.errors import ConfigError, MissingExtra
from synth_stack.registry import Bound, bind, config_error, find_entry, registered, suggest

LOCAL = "local"

_HOMES = {
    LOCAL: "synth_stack.engines.local",
    "datatrove": "synth_stack.engines.datatrove.engine",
    "dask": "synth_stack.engines.dask",
    "nemo": "synth_stack.engines.nemo.engine",
}
"""Where an engine registers itself. Its extra bears its name."""

EngineUse: TypeAlias = "str | Mapping[str, Any]"
"""The name of an engine, or a mapping of `use` and its options."""


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """An engine at work, and its name and version: what the manifest of a run says. No decision depends on
    it.
    """

    engine: Engine
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ChosenEngine:
    """An engine whose options are checked; nothing of it runs yet."""

    bound: Bound

    @contextmanager
    def open(self) -> Iterator[OpenEngine]:
        """The engine at work; with the block end its processes and temporary files.

        Raises ConfigError for one that cannot start.
        """
        made: AbstractContextManager[Engine] = self.bound.make()
        with made as engine:
            yield OpenEngine(engine, {"name": self.bound.name, "version": self.bound.version})


def choose_engine(engine: EngineUse = LOCAL) -> ChosenEngine:
    """The named engine with its options checked.

    Raises ConfigError for an unknown one, or options that it does not take, MissingExtra without its library.
    """
    given = {"use": engine} if isinstance(engine, str) else dict(engine)
    name = given.pop("use", None)
    if not isinstance(name, str):
        raise ConfigError(
            "an engine is a name, or a mapping with `use` and its options",
            seen=repr(engine),
            allowed=", ".join(_list_names()),
        )
    _load(name)
    return ChosenEngine(bind("engine", name, given, where=f"engine {name}"))


def parse_engine(name: str, options: Sequence[str]) -> dict[str, Any]:
    """The engine that a command line names, with `KEY=VALUE` options as values of their types.

    Raises what `choose_engine` raises.
    """
    _load(name)
    where = f"engine {name}"
    params = find_entry("engine", name, where=where).params
    values: dict[str, Any] = {"use": name}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise ConfigError("an option of an engine is given as KEY=VALUE", seen=option)
        if key in values:
            raise ConfigError(f"{where}: {key} is given twice", seen=option)
        field = params.model_fields.get(key)
        if field is None or field.annotation is None:
            raise ConfigError(
                f"{where}: {key} is no option of it",
                allowed=", ".join(sorted(params.model_fields)) or "none",
                mend=suggest(key, params.model_fields),
            )
        try:
            values[key] = TypeAdapter(field.annotation).validate_strings(text)
        except ValidationError as exc:
            raise config_error(exc, where=f"{where}: {key}", model=params) from exc
    return values


def _list_names() -> list[str]:
    return sorted({*_HOMES, *registered("engine")})


def _load(name: str) -> None:
    """Raises ConfigError for an unknown engine, MissingExtra for one whose library is not here."""
    home = _HOMES.get(name)
    if home is None:
        if name not in registered("engine"):  # of another author
            names = _list_names()
            raise ConfigError(
                "there is no engine of that name",
                seen=name,
                allowed=", ".join(names),
                mend=suggest(name, dict.fromkeys(names)),
            )
        return
    try:
        importlib.import_module(home)
    except ImportError as exc:
        raise MissingExtra(
            f"the engine {name} cannot be loaded: a library that it needs is missing, or of another version",
            seen=str(exc),
            mend=f"Run: pip install 'synth-stack[{name}]'",
        ) from exc
