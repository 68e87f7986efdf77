"""The personas of a dialogue: who asks, about which product, bought when, and in which tone.

They are read from a file whole or not at all, before the first prompt, since what is wrong in one of them
would be wrong in every dialogue that it speaks in.
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from synth_stack.errors import InputError, name_type
from synth_stack.inputs.records import read_strictly
from synth_stack.inputs.strict_yaml import read_yaml
from synth_stack.registry import FilePath, config_error
from synth_stack.rows.canonical import Digest, digest_json
from synth_stack.text.dates import FORMS, read_day

MAX_FILE_BYTES = 1024 * 1024
"""A thousand personas take a tenth of it."""
MAX_PERSONAS = 1_000

_LIST_SUFFIXES = (".yaml", ".yml")
_SUFFIXES = (*_LIST_SUFFIXES, ".jsonl")


def _check_line(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError("one line of text without blanks around it")
    return text


def _write_day(value: Any) -> Any:
    """YAML reads 2026-05-03 as a day: as it was written."""
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


def _check_day(text: str) -> str:
    if read_day(text) is None:
        raise ValueError(f"{text!r} is not {FORMS}")
    return text


_Line = AfterValidator(_check_line)


class Persona(BaseModel):
    """A customer, by what must not change while they speak: name, product and the day they bought it on.

    `tone` says how they write: "brief and annoyed".
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80), _Line]
    product: Annotated[str, Field(min_length=1, max_length=120), _Line]
    date: Annotated[str, BeforeValidator(_write_day), Field(max_length=40), AfterValidator(_check_day)]
    tone: Annotated[str, Field(min_length=1, max_length=300), _Line]


class PersonaFile(BaseModel):
    """Where the personas are: a YAML list or JSON Lines, relative to the recipe."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    path: FilePath


def read_personas(source: PersonaFile) -> tuple[Persona, ...]:
    """The personas of a file in its order.

    Raises InputError for a file that is no such list, is empty or too large, or names somebody twice, and
    ConfigError for a persona that lacks a field or has a wrong one; the message names the place.
    """
    path = Path(source.path)
    places: dict[str, str] = {}
    personas: list[Persona] = []
    for place, record in _read_records(path):
        where = f"{path}: {place}"
        try:
            persona = Persona.model_validate(record)
        except ValidationError as exc:
            raise config_error(exc, where=where, model=Persona) from exc
        first = places.setdefault(persona.name, place)
        if first != place:
            raise InputError(f"{where}: the name stands already in {first}", seen=persona.name)
        personas.append(persona)
        if len(personas) > MAX_PERSONAS:
            raise InputError(f"{path} holds too many personas", allowed=f"at most {MAX_PERSONAS}")
    if not personas:
        raise InputError(f"{path} holds no personas", mend="Give at least one; see docs/dialogues.md.")
    return tuple(personas)


def digest_personas(personas: tuple[Persona, ...]) -> Digest:
    """The digest of everything that a prompt may take from them, and of their order."""
    return digest_json([persona.model_dump() for persona in personas])


def _read_records(path: Path) -> Iterator[tuple[str, Any]]:
    """(place, record) for every entry of the file; nothing that is no regular file is opened."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(
            f"the persona file {path} is of a kind that is not read",
            seen=suffix or "no suffix",
            allowed=", ".join(_SUFFIXES),
        )
    if not path.is_file():
        raise InputError(f"the persona file {path} is not a file", mend="Check personas.path.")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise InputError(
            f"the persona file {path} is too large",
            seen=f"{size} bytes",
            allowed=f"at most {MAX_FILE_BYTES}",
        )
    if suffix in _LIST_SUFFIXES:
        yield from _read_list(path)
    else:
        yield from read_strictly(path, max_bytes=MAX_FILE_BYTES)


def _read_list(path: Path) -> Iterator[tuple[str, Any]]:
    value = read_yaml(path)
    if not isinstance(value, list):
        raise InputError(f"{path} is not a list of personas", seen=name_type(value))
    for number, item in enumerate(value, start=1):
        yield f"persona {number}", item
