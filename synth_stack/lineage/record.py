"""What is known of one row when its batch is signed: the row's digest, its origin, what every gate said
of it and what was decided. One record a row, rejects included; its bytes are a leaf of the batch's tree.

A record is RFC 8785 JSON. Scores and thresholds stand in it as decimal strings: a float that passes
through a float32 column comes back as another number, a string does not. Of the evidence it has the digest,
and what the evidence cites in the clear: other rows, eval sets and items.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import SchemaValidator, ValidationError, core_schema

from synth_stack.errors import SigningError, VerificationError
from synth_stack.lineage.merkle import HASH_BYTES, LeafHashes, leaf_hash
from synth_stack.rows.canonical import digest_bytes
from synth_stack.rows.schemas import (
    CANDIDATE_SCHEMA,
    CITED,
    DECISION_SCHEMA,
    DECISIONS,
    KINDS,
    MODELS,
    ORIGIN_FIELDS,
    OUTCOMES,
    REASON_CLASS,
    SCOPES,
    VERDICT_SCHEMA,
    canonical_row,
)

RECORD_SCHEME = "synth_stack/lineage/v2"

RECORD_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("record", pa.binary(), nullable=False),
        pa.field("leaf", pa.binary(HASH_BYTES), nullable=False),
    ]
)
"""`leaf` is the tree's hash of the bytes in `record`; `row_id` and `decision` repeat what they say."""

CONTEXT_KEYS = ("gates_sha256", "recipe_sha256")
"""Digests of the files that the whole batch was made and judged by; null where there was no such file,
as for the recipe of a foreign dataset."""

REPEATED = ("kind", "slice", "locale", "failure")
"""What a record repeats of its row beside the origin."""

Record = dict[str, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROW_ID = "^[0-9a-f]{32}$"
_ORIGIN_NAMES = tuple(field.name for field in ORIGIN_FIELDS)
_DECISION_NAMES = tuple(name for name in DECISION_SCHEMA.names if name not in {"row_id", "source_id"})


def build_records(
    candidates: pa.Table, verdicts: pa.Table, decisions: pa.Table, *, context: Mapping[str, str | None]
) -> pa.Table:
    """A table of `RECORD_SCHEMA`, one record per candidate and in the order of the candidates.

    The tables are those of one shard: `verdicts` holds those of all gates one after another, any number
    a row, and their order is kept; `decisions` holds one a row, in any order. `context` has the
    `CONTEXT_KEYS`. Equal input gives equal bytes.

    Raises SigningError for a row whose id is not its own, a row twice, a row without a decision, a
    verdict or decision on no row, a score that is not finite, and anything else a record cannot say.
    """
    candidates = _conform(candidates, CANDIDATE_SCHEMA, "candidates")
    verdicts = _conform(verdicts, VERDICT_SCHEMA, "verdicts")
    decisions = _conform(decisions, DECISION_SCHEMA, "decisions")
    _require_context(context)
    _require_vocabulary(candidates, verdicts, decisions)
    ids = candidates["row_id"].combine_chunks()
    if pc.count_distinct(ids).as_py() != len(ids):
        raise SigningError("a row stands twice in one shard of candidates")
    judged = _group_verdicts(verdicts, ids)
    decided = _align_decisions(decisions, ids).to_pylist()
    records = [
        _encode_row(row, said, decision, context)
        for row, said, decision in zip(_each_row(candidates), judged, decided, strict=True)
    ]
    columns = {
        "row_id": ids,
        "decision": [decision["decision"] for decision in decided],
        "record": records,
        "leaf": [leaf_hash(record) for record in records],
    }
    return pa.table(columns, schema=RECORD_SCHEMA)


def parse_record(data: bytes, *, where: str = "a lineage record") -> Record:
    """The record that `data` holds, after every check that its bytes alone allow.

    Raises VerificationError, which starts with `where`: not JSON, another scheme, a key too many or too
    few, a wrong type, a word or digest that no record can hold, or bytes that are not the canonical ones.
    """
    try:
        record: Record = _RECORD.validate_json(data, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        # The place goes into `seen`, which is made printable: an unknown key is the forger's text.
        place = ".".join(str(part) for part in first["loc"])
        raise VerificationError(f"{where}: {first['msg']}", seen=f"{place} {first['input']!r}") from exc
    if record["row_id"] != record["row_sha256"][:32]:
        raise VerificationError(f"{where}: row_id does not begin row_sha256", seen=record["row_id"])
    for verdict in record["verdicts"]:
        if verdict["cites"] == {}:
            raise VerificationError(f"{where}: a verdict cites nothing, and is not null")
        if verdict["cites"] is not None and verdict["evidence_sha256"] is None:
            raise VerificationError(f"{where}: a verdict cites something without evidence")
        for name in ("score", "threshold"):
            if verdict[name] is not None and repr(float(verdict[name])) != verdict[name]:
                raise VerificationError(f"{where}: a {name} is not a shortest decimal", seen=verdict[name])
    try:
        canonical = _encode(record)
    except ValueError as exc:
        raise VerificationError(f"{where} cannot be canonical: {exc}") from exc
    if canonical != data:
        raise VerificationError(f"{where} is not canonical JSON (RFC 8785)")
    return record


def leaves_of(records: pa.Table) -> LeafHashes:
    """The column `leaf` of a record table as an array of shape (n, 32)."""
    return np.frombuffer(b"".join(records["leaf"].to_pylist()), dtype=np.uint8).reshape(-1, HASH_BYTES)


def _each_row(candidates: pa.Table) -> Iterator[Record]:
    """The rows as dicts, a thousand at a time, so that no shard stands in memory as Python objects."""
    for batch in candidates.to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()


def _encode_row(
    row: Mapping[str, Any],
    verdicts: list[Record],
    decision: Mapping[str, Any],
    context: Mapping[str, str | None],
) -> bytes:
    row_id = row["row_id"]
    try:
        digest = hashlib.sha256(canonical_row(row)).hexdigest()
        if digest[:32] != row_id:
            raise SigningError("a row was changed after it was named", seen=row_id, allowed=digest[:32])
        return _encode(
            {
                "scheme": RECORD_SCHEME,
                "row_id": row_id,
                "row_sha256": digest,
                **{name: row[name] for name in REPEATED},
                "origin": {name: row[name] for name in _ORIGIN_NAMES},
                "verdicts": verdicts,
                "decision": {name: decision[name] for name in _DECISION_NAMES},
                "context": dict(context),
            }
        )
    except ValueError as exc:
        raise SigningError(f"a row cannot be recorded: {exc}", seen=row_id) from exc


def _encode(record: Record) -> bytes:
    # Sorted orjson output is RFC 8785 here: ASCII keys, no floats, integers within 2**53 (the tests
    # compare it with the reference implementation, which takes 13 times as long). Raises ValueError.
    try:
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as exc:
        raise ValueError(str(exc)) from exc


def _group_verdicts(verdicts: pa.Table, ids: pa.Array) -> Iterator[list[Record]]:
    """For each id in order, the verdicts on it in the order of the table."""
    positions = pc.index_in(verdicts["row_id"], value_set=ids)
    if positions.null_count:
        stray = verdicts["row_id"].filter(pc.is_null(positions))[0].as_py()
        raise SigningError("a verdict is on a row that the shard does not hold", seen=stray)
    order = np.argsort(positions.to_numpy(), kind="stable")
    grouped = verdicts.take(order)
    said: Iterator[Record] = (
        {
            "gate": gate,
            "outcome": outcome,
            "score": None if score is None else repr(score),
            "threshold": None if threshold is None else repr(threshold),
            "reason": reason,
            "reason_class": reason_class,
            "cites": None if evidence is None else _cite(evidence),
            "evidence_sha256": None if evidence is None else digest_bytes(evidence.encode()),
            "scope": scope,
        }
        for _, gate, outcome, score, threshold, reason, reason_class, evidence, scope in zip(
            *(column.to_pylist() for column in grouped.columns), strict=True
        )
    )
    counts = np.bincount(positions.to_numpy(), minlength=len(ids))
    return (list(itertools.islice(said, count)) for count in counts.tolist())


def _cite(evidence: str) -> dict[str, str] | None:
    """What evidence names of other rows and eval items; None where it names nothing, or is no JSON object."""
    try:
        told = orjson.loads(evidence)
    except orjson.JSONDecodeError:
        return None
    named = {} if not isinstance(told, dict) else {key: told.get(key) for key in CITED}
    return {key: value for key, value in named.items() if isinstance(value, str)} or None


def _align_decisions(decisions: pa.Table, ids: pa.Array) -> pa.Table:
    """The decisions in the order of `ids`, exactly one for each."""
    positions = pc.index_in(ids, value_set=decisions["row_id"].combine_chunks())
    if positions.null_count:
        missing = ids.filter(pc.is_null(positions))[0].as_py()
        raise SigningError("a row has no decision", seen=missing)
    if len(decisions) != len(ids):
        raise SigningError(
            "a shard's decisions are not one a row", seen=len(decisions), allowed=f"{len(ids)} rows"
        )
    return decisions.take(positions)


def _conform(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    try:
        return table.select(schema.names).cast(schema)
    except (KeyError, ValueError, pa.ArrowException) as exc:
        raise SigningError(f"the {name} are not a table of {name}: {exc}") from exc


def _require_context(context: Mapping[str, str | None]) -> None:
    if sorted(context) != sorted(CONTEXT_KEYS):
        raise SigningError(
            "the context of a batch has other keys", seen=sorted(context), allowed=", ".join(CONTEXT_KEYS)
        )
    for key, value in context.items():
        if value is not None and not _SHA256.fullmatch(value):
            raise SigningError(f"{key} is not a SHA-256", seen=value, allowed="64 hexadecimal digits or null")


def _require_vocabulary(candidates: pa.Table, verdicts: pa.Table, decisions: pa.Table) -> None:
    """Refuse what `parse_record` would refuse later: signed once, it could not be mended."""
    words = (
        (candidates["kind"], KINDS),
        (verdicts["outcome"], OUTCOMES),
        (verdicts["scope"], SCOPES),
        (decisions["decision"], DECISIONS),
    )
    for column, allowed in words:
        unknown = set(column.unique().to_pylist()) - set(allowed)
        if unknown:
            raise SigningError(
                "a row, verdict or decision has an unknown word",
                seen=min(unknown),
                allowed=", ".join(allowed),
            )
    forms = (
        (verdicts["reason_class"], "reason_class", REASON_CLASS),
        (decisions["reason_class"], "reason_class", REASON_CLASS),
        (decisions["replaced_by"], "replaced_by", _ROW_ID),
    )
    for column, name, form in forms:
        values = column.drop_null().unique()
        strange = values.filter(pc.invert(pc.match_substring_regex(values, form)))
        if len(strange):
            raise SigningError(
                f"a verdict or decision has a {name} that is none", seen=strange[0].as_py(), allowed=form
            )
    for name in ("score", "threshold"):
        finite = pc.fill_null(pc.is_finite(verdicts[name]), True)
        if not pc.all(finite, min_count=0).as_py():
            row = verdicts.filter(pc.invert(finite)).slice(0, 1).to_pylist()[0]
            raise SigningError(
                f"gate {row['gate']} gave row {row['row_id']} a {name} that is not finite",
                seen=row[name],
                allowed="a finite number or null",
            )


def _record_schema() -> core_schema.CoreSchema:
    """The shape of a record: every key required, no other key, no type coerced."""
    word = core_schema.str_schema()
    row_id = core_schema.str_schema(pattern=_ROW_ID)
    digest = core_schema.str_schema(pattern="^[0-9a-f]{64}$")
    decimal = core_schema.str_schema(pattern=r"^-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?$", max_length=32)
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
