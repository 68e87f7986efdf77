"""The phrasings of a project: what its customers ask and from which situation, with the words left open.

They are read from a file whole or not at all, before the first prompt. A phrase is a small template: `(a|b)`
is a choice, which may be empty and may hold others, `{name}` one of the slots of the file, and a backslash
takes its meaning from any of these marks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.inputs.yaml_models import StrictModel, validate
from synth_stack.rows.canonical import Digest, digest_json
from synth_stack.teachers.grammar import Choice, Grammar, Series

MAX_DEPTH = 6
"""Choices within choices; a phrase that needs more is not read by its author any more."""

PIECES = ("opening", "situation", "ask", "closing")
"""What a form is made of."""

Phrase = Annotated[str, Field(max_length=400)]
"""The longest seeds of the demo, which tell a whole story, have as many characters."""
_Phrases = Annotated[list[Phrase], Field(min_length=1, max_length=200)]


class _SlicePhrases(StrictModel):
    asks: _Phrases
    situations: list[Phrase] = Field(default_factory=list)


class _File(StrictModel):
    slices: Annotated[dict[str, _SlicePhrases], Field(min_length=1, max_length=10_000)]
    slots: dict[str, _Phrases] = Field(default_factory=dict)
    openings: list[Phrase] = Field(default_factory=list)
    closings: list[Phrase] = Field(default_factory=list)
    forms: Annotated[list[Phrase], Field(min_length=1, max_length=50)] = Field(
        default_factory=lambda: ["{situation} {ask}", "{ask}"]
    )


@dataclass(frozen=True, slots=True)
class SlicePhrases:
    """What is asked in one slice: each ask has its own answer, and any situation goes with any of them."""

    asks: Sequence[Grammar]
    situations: Sequence[Grammar]


@dataclass(frozen=True, slots=True)
class Phrasings:
    """The phrasings of a file. A form is a sequence of PIECES, an ask among them."""

    forms: Sequence[Sequence[str]]
    openings: Sequence[Grammar]
    closings: Sequence[Grammar]
    slices: Mapping[str, SlicePhrases]
    digest: Digest

    def message(self, slice_: str, form: int, ask: int) -> Grammar:
        """Every wording of one message: the given form and ask, any opening, situation and closing."""
        phrases = self.slices[slice_]
        options = {
            "opening": self.openings,
            "situation": phrases.situations,
            "closing": self.closings,
            "ask": [phrases.asks[ask]],
        }
        parts: list[Grammar] = []
        for piece in self.forms[form]:
            if found := options[piece]:
                parts += [" "] if parts else []
                parts.append(found[0] if len(found) == 1 else Choice(tuple(found)))
        return Series(tuple(parts))


def read_phrasings(path: str | Path) -> Phrasings:
    """The phrasings of a YAML file. Raises ConfigError with the place and the phrase."""
    file = Path(path)
    said = validate(_File, read_mapping(file), file)
    slots = {name: Choice(_parse_all(file, f"slots.{name}", each, {})) for name, each in said.slots.items()}
    for name in PIECES:
        if name in slots:
            raise ConfigError(f"{file}: slots.{name} has the name of a piece", allowed="any other name")
    return Phrasings(
        forms=[_read_form(file, number, form) for number, form in enumerate(said.forms)],
        openings=_parse_all(file, "openings", said.openings, slots),
        closings=_parse_all(file, "closings", said.closings, slots),
        slices={
            slice_: SlicePhrases(
                _parse_all(file, f"slices.{slice_}.asks", phrases.asks, slots),
                _parse_all(file, f"slices.{slice_}.situations", phrases.situations, slots),
            )
            for slice_, phrases in said.slices.items()
        },
        digest=digest_json(said.model_dump()),
    )


def _read_form(file: Path, number: int, text: str) -> tuple[str, ...]:
    pieces = tuple(word.removeprefix("{").removesuffix("}") for word in text.split())
    if pieces.count("ask") != 1 or not set(pieces) <= set(PIECES) or len(set(pieces)) < len(pieces):
        raise ConfigError(
            f"{file}: forms[{number}] is not a form",
            seen=text,
            allowed=f"{', '.join(f'{{{piece}}}' for piece in PIECES)}, each at most once, and {{ask}}",
        )
    return pieces


def _parse_all(
    file: Path, where: str, phrases: Sequence[str], slots: Mapping[str, Grammar]
) -> tuple[Grammar, ...]:
    return tuple(_Reader(file, f"{where}[{k}]", text, slots).read() for k, text in enumerate(phrases))


class _Reader:
    """Reads one phrase from left to right."""

    def __init__(self, file: Path, where: str, text: str, slots: Mapping[str, Grammar]) -> None:
        self._file = file
        self._where = where
        self._text = " ".join(text.split())
        self._slots = slots
        self._at = 0

    def read(self) -> Grammar:
        found = self._read_series(0)
        if self._at < len(self._text):
            raise self._fault(f"{self._text[self._at]!r} closes or parts nothing")
        if not self._text:
            raise self._fault("it is empty")
        return found

    def _read_series(self, depth: int) -> Grammar:
        """What stands here until a mark that ends it: of a choice the next option or its end."""
        parts: list[Grammar] = []
        letters: list[str] = []
        while self._at < len(self._text) and (char := self._text[self._at]) not in "|)":
            self._at += 1
            if char == "\\" and self._at < len(self._text):
                letters.append(self._text[self._at])
                self._at += 1
            elif char in "({":
                parts += ["".join(letters)] if letters else []
                letters = []
                parts.append(self._read_choice(depth + 1) if char == "(" else self._read_slot())
            else:
                letters.append(char)
        parts += ["".join(letters)] if letters or not parts else []
        return parts[0] if len(parts) == 1 else Series(tuple(parts))

    def _read_choice(self, depth: int) -> Grammar:
        if depth > MAX_DEPTH:
            raise self._fault(f"it holds choices within choices, more than {MAX_DEPTH} deep")
        options = [self._read_series(depth)]
        while self._at < len(self._text) and self._text[self._at] == "|":
            self._at += 1
            options.append(self._read_series(depth))
        if self._at == len(self._text):
            raise self._fault("a choice is not closed")
        self._at += 1
        return Choice(tuple(options))

    def _read_slot(self) -> Grammar:
        name, closed, _ = self._text[self._at :].partition("}")
        if not closed or name not in self._slots:
            raise self._fault(f"there is no slot {name!r}; slots: {', '.join(self._slots) or 'none'}")
        self._at += len(name) + 1
        return self._slots[name]

    def _fault(self, reason: str) -> ConfigError:
        return ConfigError(
            f"{self._file}: {self._where} is not a phrase: {reason}",
            seen=self._text,
            allowed="text with (one|another) choice and {slots}; a backslash before a mark that is meant",
        )
