"""The form of a lineage record: its keys, its words, its canonical bytes, and the one strict reader of them.

Most records have a form that thousands before had: the same keys, types and words, and other texts and
digests. `parse_record` knows the forms that it met, and looks at the rest of such a record alone; any other
goes through the whole schema, which says what is wrong with it.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa
from pydantic_core import SchemaValidator, ValidationError, core_schema

from synth_stack.errors import VerificationError
from synth_stack.rows.schemas import (
    CITED,
    DECISIONS,
    KINDS,
    MODELS,
    ORIGIN_FIELDS,
    OUTCOMES,
    REASON_CLASS,
    SCOPES,
)

RECORD_SCHEME = "synth_stack/lineage/v2"

CONTEXT_KEYS = ("gates_sha256", "recipe_sha256")
"""Digests of the files that the whole batch was made and judged by; null where there was no such file,
as for the recipe of a foreign dataset."""

REPEATED = ("kind", "slice", "locale", "failure")
"""What a record repeats of its row beside the origin."""

Record = dict[str, Any]

MAX_FORMS = 10_000
"""Forms that are kept: a batch has some hundreds, by gates, thresholds and classes of reasons."""

_Form = tuple[object, ...]
_MET: set[_Form] = set()
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ROW_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?", re.ASCII)
MAX_DECIMAL_CHARS = 32
_MODEL_KEYS = tuple(sorted(field.name for field in MODELS.value_type))


def parse_record(data: bytes, *, where: str = "a lineage record") -> Record:
    """The record that `data` holds, after every check that its bytes alone allow.

    Raises VerificationError, which starts with `where`: not JSON, another scheme, a key too many or too
    few, a wrong type, a word or digest that no record can hold, or bytes that are not the canonical ones.
    """
    record = _read_common(data)
    if record is None:
        record = _parse_strictly(data, where)
        if len(_MET) >= MAX_FORMS:
            _MET.clear()
        _MET.add(_describe_form(orjson.loads(data)))  # with its keys in the order of the bytes
    return record


def _parse_strictly(data: bytes, where: str) -> Record:
    try:
        record: Record = _RECORD.validate_json(data, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        # The place goes into `seen`, which is made printable: an unknown key is the forger's text.
        place = ".".join(str(part) for part in first["loc"])
        raise VerificationError(f"{where}: {first['msg']}", seen=f"{place} {first['input']!r}") from exc
    fault = _find_link_fault(record)
    if fault is not None:
        raise VerificationError(f"{where}: {fault}", seen=record["row_id"])
    for verdict in record["verdicts"]:
        if verdict["cites"] == {}:
            raise VerificationError(f"{where}: a verdict cites nothing, and is not null")
        if verdict["cites"] is not None and verdict["evidence_sha256"] is None:
            raise VerificationError(f"{where}: a verdict cites something without evidence")
        for name in ("score", "threshold"):
            if verdict[name] is not None and repr(float(verdict[name])) != verdict[name]:
                raise VerificationError(f"{where}: a {name} is not a shortest decimal", seen=verdict[name])
    try:
        canonical = encode_record(record)
    except ValueError as exc:
        raise VerificationError(f"{where} cannot be canonical: {exc}") from exc
    if canonical != data:
        raise VerificationError(f"{where} is not canonical JSON (RFC 8785)")
    return record


def encode_record(record: Record) -> bytes:
    """The canonical bytes of a record. Raises ValueError for one that has none."""
    # Sorted orjson output is RFC 8785 here: ASCII keys, no floats, integers within 2**53 (the tests
    # compare it with the reference implementation, which takes 13 times as long).
    try:
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as exc:
        raise ValueError(str(exc)) from exc


def _read_common(data: bytes) -> Record | None:
    """The record in `data`, if its form was met before and the rest of it is sound; None for any other."""
    try:
        record = orjson.loads(data)
        if type(record) is not dict or _describe_form(record) not in _MET:
            return None
        return record if _is_sound(record) and encode_record(record) == data else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # the strict reader says what it is


def _describe_form(record: Mapping[str, Any]) -> _Form:
    """What of a record repeats in others: its keys, types and words."""
    origin, decision, verdicts = record["origin"], record["decision"], record["verdicts"]
    said = [
        (
            *verdict,
            *(verdict["gate"], verdict["outcome"], verdict["scope"], verdict["threshold"]),
            *(verdict["reason_class"], *map(type, verdict.values())),
        )
        for verdict in verdicts
    ]
    return (
        *(*record, *map(type, record.values()), record["scheme"], record["kind"]),
        *(*origin, *map(type, origin.values())),
        *(*decision, decision["decision"], decision["reason_class"], *map(type, decision.values())),
        *record["context"].items(),
        *said,
    )


def _is_sound(record: Mapping[str, Any]) -> bool:
    """Whether what its form does not tell is sound too: digests, ids, models, scores, citations."""
    digest, replaced_by = record["row_sha256"], record["decision"]["replaced_by"]
    return bool(
        _SHA256.fullmatch(digest)
        and (replaced_by is None or _ROW_ID.fullmatch(replaced_by))
        and all(map(_is_model, record["origin"]["models"] or ()))
        and all(map(_is_sound_verdict, record["verdicts"]))
        and _find_link_fault(record) is None
    )


def _find_link_fault(record: Mapping[str, Any]) -> str | None:
    """What is wrong with the rows that a record names: its own is of its digest, none came from itself, and
    none stands for another that was not rejected.
    """
    row_id, origin = record["row_id"], record["origin"]
    if row_id != record["row_sha256"][:32]:
        return "row_id does not begin row_sha256"
    if row_id in {origin["parent_id"], origin["seed_id"], origin["source_id"]}:
        return "its row came from itself"
    for verdict in record["verdicts"]:
        cites = verdict["cites"]
        if cites is None:
            continue
        if row_id in {cites.get("twin"), cites.get("replaced_by")}:
            return "a verdict names its own row as another"
        if "replaced_by" in cites and verdict["outcome"] != "reject":
            return "a verdict names a row in the place of one that it does not reject"
    return None


def _is_model(model: Mapping[str, Any]) -> bool:
    return tuple(model) == _MODEL_KEYS and all(text is None or type(text) is str for text in model.values())


def _is_sound_verdict(verdict: Mapping[str, Any]) -> bool:
    score, evidence, cites = verdict["score"], verdict["evidence_sha256"], verdict["cites"]
    return (
        (score is None or _is_decimal(score))
        and (evidence is None or _SHA256.fullmatch(evidence) is not None)
        and (cites is None or (evidence is not None and _is_citation(cites)))
    )


def _is_decimal(text: str) -> bool:
    """Whether a text is the shortest decimal of a finite float."""
    return (
        len(text) <= MAX_DECIMAL_CHARS and _DECIMAL.fullmatch(text) is not None and repr(float(text)) == text
    )


def _is_citation(cites: Mapping[str, Any]) -> bool:
    return bool(cites) and {*cites} <= {*CITED} and all(type(text) is str for text in cites.values())


def _record_schema() -> core_schema.CoreSchema:
    """The shape of a record: every key required, no other key, no type coerced."""
    word = core_schema.str_schema()
    row_id = core_schema.str_schema(pattern="^[0-9a-f]{32}$")
    digest = core_schema.str_schema(pattern="^[0-9a-f]{64}$")
    decimal = core_schema.str_schema(
        pattern=r"^-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?$", max_length=MAX_DECIMAL_CHARS
    )
    model = _object({field.name: core_schema.nullable_schema(word) for field in MODELS.value_type})
    leaf = {
        pa.string(): word,
        pa.int64(): core_schema.int_schema(),
        pa.bool_(): core_schema.bool_schema(),
        MODELS: core_schema.list_schema(model),
    }
    origin = {
        field.name: core_schema.nullable_schema(leaf[field.type]) if field.nullable else leaf[field.type]
        for field in ORIGIN_FIELDS
    }
    maybe = core_schema.nullable_schema
    reason_class = core_schema.str_schema(pattern=REASON_CLASS)
    cites = core_schema.typed_dict_schema(
        {key: core_schema.typed_dict_field(word) for key in CITED}, extra_behavior="forbid", total=False
    )
    verdict = {
        "gate": word,
        "outcome": core_schema.literal_schema(list(OUTCOMES)),
        "score": maybe(decimal),
        "threshold": maybe(decimal),
        "reason": maybe(word),
        "reason_class": maybe(reason_class),
        "cites": maybe(cites),
        "evidence_sha256": maybe(digest),
        "scope": core_schema.literal_schema(list(SCOPES)),
    }
    decision = {
        "decision": core_schema.literal_schema(list(DECISIONS)),
        "gate": maybe(word),
        "reason": maybe(word),
        "reason_class": maybe(reason_class),
        "replaced_by": maybe(row_id),
    }
    return _object(
        {
            "scheme": core_schema.literal_schema([RECORD_SCHEME]),
            "row_id": row_id,
            "row_sha256": digest,
            "kind": core_schema.literal_schema(list(KINDS)),
            "slice": maybe(word),
            "locale": maybe(word),
            "failure": maybe(word),
            "origin": _object(origin),
            "verdicts": core_schema.list_schema(_object(verdict)),
            "decision": _object(decision),
            "context": _object({key: maybe(digest) for key in CONTEXT_KEYS}),
        }
    )


def _object(fields: Mapping[str, core_schema.CoreSchema]) -> core_schema.CoreSchema:
    return core_schema.typed_dict_schema(
        {name: core_schema.typed_dict_field(schema) for name, schema in fields.items()},
        extra_behavior="forbid",
        total=True,
    )


_RECORD = SchemaValidator(_record_schema())
