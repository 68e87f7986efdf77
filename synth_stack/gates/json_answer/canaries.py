"""Canaries of JSON answers, one for each thing that can be wrong; controls that only look so."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_texts

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "guests": {"type": "integer", "minimum": 1},
        "meal": {"enum": ["lunch", "dinner"]},
        "wishes": {"type": "array", "items": {"type": "string"}},
        "note": {"type": ["string", "null"]},
    },
    "required": ["name", "guests"],
    "additionalProperties": False,
}
_ASKED = "Ida Berg here. We are 14 for dinner; two chairs for children and a table by the window, please."

_BAD: Sequence[tuple[str, str, str]] = (
    ("no_json", "it is no JSON", "The table is for Ida Berg."),
    ("torn", "it ends too soon", '{"name": "Ida Berg", "guests": 14'),
    ("words_around", "words stand before it", 'Here it is: {"name": "Ida Berg", "guests": 14}'),
    ("fence", "a fence stands around it", '```json\n{"name": "Ida Berg", "guests": 14}\n```'),
    ("named_twice", "a member is named twice", '{"name": "Ida Berg", "guests": 4, "guests": 14}'),
    ("missing", "a member that is required is missing", '{"name": "Ida Berg"}'),
    ("wrong_type", "a number is a text", '{"name": "Ida Berg", "guests": "14"}'),
    ("unknown_member", "a member is unknown", '{"name": "Ida Berg", "guests": 14, "age": 3}'),
    ("not_offered", "a value is none of those offered", '{"name": "Ida Berg", "guests": 14, "meal": "tea"}'),
    ("no_number", "a number is none of JSON", '{"name": "Ida Berg", "guests": NaN}'),
)
_MADE_UP = (
    "made_up",
    "what it says stands nowhere in the text",
    '{"name": "Olaf Lund", "guests": 9, "wishes": ["a high stool"]}',
)
_GOOD: Sequence[tuple[str, str, str]] = (
    ("spread_out", "it has line breaks", '{\n  "name": "Ida Berg",\n  "guests": 14\n}\n'),
    ("whole_float", "a whole number has a point", '{"name": "Ida Berg", "guests": 14.0}'),
    ("null", "a member is null where that is allowed", '{"name": "Ida Berg", "guests": 14, "note": null}'),
    (
        "offered",
        "a value is one that the schema offers",
        '{"name": "Ida Berg", "guests": 14, "meal": "dinner"}',
    ),
    ("other_case", "words stand in another case", '{"name": "IDA BERG", "guests": 14, "wishes": []}'),
    ("escaped", "characters are escaped", '{"name": "Ida \\u0042erg", "guests": 14}'),
)


def plant_bad_answers(sample: pa.Table, n: int, *, common: bool, grounded: bool) -> pa.Table:
    """`n` canaries of each kind; none where no row of the sample has a schema, and none is common to all."""
    if not _has_schema(sample, common=common):
        return build_candidates([])
    kinds = [*_BAD, *([_MADE_UP] if grounded else [])]
    return build_candidates(
        _state(build_canary("instruction", _talk(text), wrong, k, kind=kind))
        for kind, wrong, text in kinds
        for k in range(n)
    )


def plant_good_answers(sample: pa.Table, n: int, *, common: bool) -> pa.Table:
    """`n` controls of each kind; none where `plant_bad_answers` plants none."""
    if not _has_schema(sample, common=common):
        return build_candidates([])
    return build_candidates(
        _state(build_control("instruction", _talk(text), innocent, k, kind=kind))
        for kind, innocent, text in _GOOD
        for k in range(n)
    )


def _has_schema(sample: pa.Table, *, common: bool) -> bool:
    stated = read_texts(sample.column("extra")).str.contains('"json_answer":', literal=True).any()
    return len(sample) > 0 and (common or bool(stated))


def _talk(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": text}]


def _state(row: dict[str, Any]) -> dict[str, Any]:
    extra = {**json.loads(row["extra"]), "json_answer": {"name": "canary", "schema": dict(SCHEMA)}}
    return row | {"extra": canonical_text(extra)}
