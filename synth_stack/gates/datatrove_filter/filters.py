"""datatrove's filters by name, made from the parameters that its own classes take.

A filter that would fetch a file is made of the one that the gate file names, and of nothing else.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, MissingExtra
from synth_stack.models.files import check_model
from synth_stack.registry import FilePath, suggest

FilterName = Literal[
    "gopher_quality",
    "gopher_repetition",
    "c4_quality",
    "c4_paragraph",
    "fineweb_quality",
    "regex",
    "language",
    "fasttext",
]

CLASSES: Mapping[FilterName, str] = {
    "gopher_quality": "GopherQualityFilter",
    "gopher_repetition": "GopherRepetitionFilter",
    "c4_quality": "C4QualityFilter",
    "c4_paragraph": "C4ParagraphFilter",
    "fineweb_quality": "FineWebQualityFilter",
    "regex": "RegexFilter",
    "language": "LanguageFilter",
    "fasttext": "FastTextClassifierFilter",
}
assert set(CLASSES) == set(get_args(FilterName))

_WITH_MODEL = {"language", "fasttext"}
_OURS = {"exclusion_writer", "model_url", "backend", "label_only", "save_labels_in_metadata"}
"""Parameters that say where documents or files go, or that keep a filter from filtering."""


class FilterUse(BaseModel):
    """A filter, the parameters of its class, and the fastText file of one that needs a model."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    filter: FilterName
    params: dict[str, Any] = Field(default_factory=dict)
    model: FilePath | None = None


@dataclass(frozen=True, slots=True)
class MadeFilter:
    """A filter of datatrove, its parameters with every default, and the digest of its model."""

    name: FilterName
    made: Any
    params: Mapping[str, Any]
    sha256: str | None = None


def make_filter(use: FilterUse) -> MadeFilter:
    """The filter. Raises MissingExtra without datatrove, ConfigError for parameters that it does not take."""
    try:
        from datatrove.pipeline import filters
    except ImportError as exc:
        raise _miss(str(exc), "synth-stack[datatrove]") from exc
    where = f"gate datatrove_filter: {use.filter}"
    if (use.model is not None) != (use.filter in _WITH_MODEL):
        raise ConfigError(
            f"{where}: a model file belongs to a filter that reads one, and there it is needed",
            seen=f"model: {use.model}",
            allowed=f"model with {' and '.join(sorted(_WITH_MODEL))}",
        )
    made = getattr(filters, CLASSES[use.filter])
    params = _check_params(use, made, where)
    try:
        if use.model is not None:
            return _make_with_model(use, made, params)
        found = MadeFilter(use.filter, made(**use.params), params)
        ask_filter(found.made, "A first sentence, so that what is missing is missed now.")
    except (ImportError, OSError) as exc:
        raise _miss(str(exc), "synth-stack[datatrove]") from exc
    except Exception as exc:  # what its class makes of a parameter of another type
        raise ConfigError(
            f"{where}: its parameters cannot be used", seen=f"{type(exc).__name__}: {exc}"
        ) from exc
    return found


def _check_params(use: FilterUse, made: Any, where: str) -> dict[str, Any]:
    """The parameters with every default of the class. Raises ConfigError for one too many or too few."""
    takes = {
        name: parameter.default
        for name, parameter in inspect.signature(made).parameters.items()
        if name not in _OURS
    }
    for name in use.params:
        if name not in takes:
            raise ConfigError(
                f"{where}: {name} is not a parameter of {CLASSES[use.filter]}",
                allowed=", ".join(takes) or "none",
                mend=suggest(name, takes),
            )
    params = takes | use.params
    absent = next((name for name, value in params.items() if value is inspect.Parameter.empty), None)
    if absent is not None:
        raise ConfigError(f"{where}: {absent} is missing")
    return params


def list_versions() -> dict[str, str]:
    """The packages that decide how a text is cut into words and sentences."""
    return {name: version(name) for name in ("datatrove", "regex", "spacy")}


def ask_filter(made: Any, text: str) -> tuple[bool, str | None, int]:
    """Whether a filter keeps a text, its reason, and how many characters of a kept one it would drop."""
    from datatrove.data import Document

    document = Document(text=text, id="")
    said = made.filter(document)
    keep, reason = said if isinstance(said, tuple) else (said, None)
    return bool(keep), reason, len(text) - len(document.text)


def _make_with_model(use: FilterUse, made: Any, params: Mapping[str, Any]) -> MadeFilter:
    """A filter whose fastText model is the named file, checked before it is opened."""
    assert use.model is not None
    try:
        from fasttext.FastText import _FastText
    except ImportError as exc:
        raise _miss(str(exc), "fasttext-numpy2-wheel") from exc
    file = check_model(use.model)
    found = made(**use.params) if use.filter == "language" else made(model_url=str(file.path), **use.params)
    holder = found.model if use.filter == "language" else found
    holder._model = _FastText(str(file.path))
    return MadeFilter(use.filter, found, params, file.sha256)


def _miss(seen: str, package: str) -> MissingExtra:
    return MissingExtra(
        "gate datatrove_filter needs packages that are not installed",
        seen=seen,
        mend=f"Run: pip install '{package}'",
    )
