"""NeMo Curator's heuristic filters by name, made with parameters that were checked."""

import importlib
import inspect
import re
import typing
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from synth_stack.errors import ConfigError, MissingExtra
from synth_stack.registry import suggest

_PACKAGE = "nemo_curator.stages.text.filters"
_HOMES = {"heuristic.string": None, "heuristic.repetition": None, "heuristic.code": "sentencepiece"}
"""The modules of filters that need no file, and what one of them imports beyond what NeMo requires."""
_NEED_FILES = frozenset({"TokenizerFertilityFilter", "PerExtensionFilter"})
"""Filters in these modules that read a model or a table of their own."""

_NO_SCORE = (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a filter of NeMo raises for a text that it is not made for: an empty one is divided by its length."""


class DocumentFilter(Protocol):
    """NeMo's interface of a filter."""

    name: str

    def score_document(self, text: str) -> Any:
        """What `keep_document` decides by."""

    def keep_document(self, scores: Any) -> bool:
        """Whether a document with this score is kept."""


@dataclass(frozen=True, slots=True)
class NamedFilter:
    """A filter made: NeMo's class, the name of what it checks in snake case, and all its parameters."""

    use: str
    name: str
    params: Mapping[str, Any]
    made: DocumentFilter

    def judge(self, text: str) -> tuple[bool, float] | None:
        """Whether the text is kept, and its score; None where the filter cannot score it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # code that does not parse is no news here
            try:
                score = self.made.score_document(text)
                return bool(self.made.keep_document(score)), float(score)
            except _NO_SCORE:
                return None

    def describe(self) -> str:
        """The filter as it is called in Python."""
        return f"{self.use}({', '.join(f'{key}={value!r}' for key, value in self.params.items())})"


def read_version() -> str:
    """The version of NeMo Curator. Raises MissingExtra."""
    _load("heuristic.string")
    return version("nemo-curator")


def make_filters(uses: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[NamedFilter, ...]:
    """The filters of these classes and parameters.

    Raises ConfigError for an unknown class or parameter, or two filters that check the same; MissingExtra.
    """
    made = tuple(_make(f"nemo_filter: filters[{number}]", *use) for number, use in enumerate(uses))
    for one in made:
        if sum(one.name == other.name for other in made) > 1:
            raise ConfigError("nemo_filter: two filters check the same", seen=one.name, mend="Leave one out.")
    return made


def find_home(name: str) -> str | None:
    """The module that a filter of this class name stands in; None for a name that is none."""
    return next((home for home in _HOMES if name in _list_classes(home)), None)


def _make(where: str, use: str, params: Mapping[str, Any]) -> NamedFilter:
    home = find_home(use)
    if home is None:
        known = {name: None for each in _HOMES for name in _list_classes(each)}
        raise ConfigError(
            f"{where}: NeMo Curator has no heuristic filter of that name",
            seen=use,
            allowed=", ".join(sorted(known)),
            mend=suggest(use, known),
        )
    kind = getattr(_load(home), use)
    checked = _check(where, kind, params)
    try:
        made = kind(**checked)
    except (ValueError, TypeError, re.error, ImportError) as exc:
        raise ConfigError(f"{where}: {use} refuses its parameters: {exc}", seen=dict(params)) from exc
    return NamedFilter(use, _to_snake(str(made.name)), checked, made)


def _check(where: str, kind: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a filter, defaults included, each of its annotated type."""
    hints = typing.get_type_hints(kind.__init__)
    known = dict(inspect.signature(kind).parameters)
    for name in params:
        if name not in known:
            raise ConfigError(
                f"{where}: {kind.__name__} has no such parameter",
                seen=name,
                allowed=", ".join(known) or "none",
                mend=suggest(name, known),
            )
    checked: dict[str, Any] = {}
    for name, each in known.items():
        if name not in params and each.default is inspect.Parameter.empty:
            raise ConfigError(f"{where}: {kind.__name__} needs {name}")
        checked[name] = params.get(name, each.default)
        if name in params:
            _check_type(f"{where}: {name}", hints.get(name, Any), checked[name])
    return checked


def _check_type(where: str, hint: Any, value: Any) -> None:
    wanted = float if hint is int else hint  # a mean of 2.5 is as good as one of 3, whatever the hint says
    try:
        TypeAdapter(wanted, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as exc:
        raise ConfigError(f"{where} is not usable", seen=repr(value), allowed=exc.errors()[0]["msg"]) from exc
    except PydanticSchemaGenerationError:  # a type of NeMo's own: the filter has to know
        return


@cache
def _list_classes(home: str) -> tuple[str, ...]:
    """The filters of a module of NeMo; none where what the module imports is not installed."""
    try:
        module = importlib.import_module(f"{_PACKAGE}.{home}")
    except ImportError:
        if _HOMES[home] is None:
            _load(home)
        return ()
    base = importlib.import_module(f"{_PACKAGE}.doc_filter").DocumentFilter
    found = inspect.getmembers(module, lambda each: inspect.isclass(each) and issubclass(each, base))
    return tuple(name for name, each in found if each is not base and name not in _NEED_FILES)


def _load(home: str) -> Any:
    try:
        return importlib.import_module(f"{_PACKAGE}.{home}")
    except ImportError as exc:
        raise MissingExtra(
            "nemo_filter needs NeMo Curator, which is not installed",
            seen=str(exc),
            mend="Run: pip install 'synth-stack[nemo]'",
        ) from exc


def _to_snake(name: str) -> str:
    """`PornographicUrlsFilter` as `pornographic_urls_filter`; NeMo's other names are in snake case."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
