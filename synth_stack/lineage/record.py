"""What is known of one row when its batch is signed: the row's digest, its origin, what every gate said
of it and what was decided. One record a row, rejects included; its bytes are a leaf of the batch's tree.

A record is RFC 8785 JSON. Scores and thresholds stand in it as decimal strings: a float that passes
through a float32 column comes back as another number, a string does not. Of the evidence it has the digest,
and what the evidence cites in the clear: other rows, eval sets and items.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import SigningError
from synth_stack.lineage.merkle import HASH_BYTES, LeafHashes, leaf_hash
from synth_stack.lineage.record_form import (
    CONTEXT_KEYS,
    RECORD_SCHEME,
    REPEATED,
    Record,
    encode_record,
)
from synth_stack.rows.canonical import digest_bytes
from synth_stack.rows.row_digests import digest_rows
from synth_stack.rows.schemas import (
    CANDIDATE_SCHEMA,
    CITED,
    DECISION_SCHEMA,
    DECISIONS,
    KINDS,
    ORIGIN_FIELDS,
    OUTCOMES,
    REASON_CLASS,
    SCOPES,
    VERDICT_SCHEMA,
    canonical_row,
)

RECORD_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("record", pa.binary(), nullable=False),
        pa.field("leaf", pa.binary(HASH_BYTES), nullable=False),
    ]
)
"""`leaf` is the tree's hash of the bytes in `record`; `row_id` and `decision` repeat what they say."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROW_ID = "^[0-9a-f]{32}$"
_ORIGIN_NAMES = tuple(field.name for field in ORIGIN_FIELDS)
_DECISION_NAMES = tuple(name for name in DECISION_SCHEMA.names if name not in {"row_id", "source_id"})


def build_records(
    candidates: pa.Table,
    verdicts: pa.Table,
    decisions: pa.Table,
    *,
    context: Mapping[str, str | None],
    see: Callable[[Sequence[Record]], None] | None = None,
) -> pa.Table:
    """A table of `RECORD_SCHEMA`, one record per candidate and in the order of the candidates.

    The tables are those of one shard: `verdicts` holds those of all gates one after another, any number
    a row, and their order is kept; `decisions` holds one a row, in any order. `context` has the
    `CONTEXT_KEYS`. Equal input gives equal bytes. `see` is called with the records as mappings.

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
    decided = _align_decisions(decisions, ids).select(_DECISION_NAMES).to_pylist()
    digests = _digest_named(candidates, ids)
    told = dict(context)
    records = [
        {
            "scheme": RECORD_SCHEME,
            "row_id": digest[:32],
            "row_sha256": digest,
            **repeated,
            "origin": origin,
            "verdicts": said,
            "decision": decision,
            "context": told,
        }
        for digest, repeated, origin, said, decision in zip(
            digests,
            candidates.select(REPEATED).to_pylist(),
            candidates.select(_ORIGIN_NAMES).to_pylist(),
            judged,
            decided,
            strict=True,
        )
    ]
    lines = [_encode_named(record) for record in records]
    if see is not None:
        see(records)
    columns = {
        "row_id": ids,
        "decision": [decision["decision"] for decision in decided],
        "record": lines,
        "leaf": [leaf_hash(line) for line in lines],
    }
    return pa.table(columns, schema=RECORD_SCHEMA)


def leaves_of(records: pa.Table) -> LeafHashes:
    """The column `leaf` of a record table as an array of shape (n, 32)."""
    return np.frombuffer(b"".join(records["leaf"].to_pylist()), dtype=np.uint8).reshape(-1, HASH_BYTES)


def _digest_named(candidates: pa.Table, ids: pa.Array) -> list[str]:
    """The digest of each row. Raises SigningError for one that has none, or whose id does not begin it."""
    digests = digest_rows(candidates)
    for place, (digest, row_id) in enumerate(zip(digests, ids.to_pylist(), strict=True)):
        if digest is None:
            try:
                canonical_row(candidates.slice(place, 1).to_pylist()[0])
            except ValueError as exc:
                raise SigningError(f"a row cannot be recorded: {exc}", seen=row_id) from exc
        elif digest[:32] != row_id:
            raise SigningError("a row was changed after it was named", seen=row_id, allowed=digest[:32])
    return [digest for digest in digests if digest is not None]


def _encode_named(record: Record) -> bytes:
    try:
        return encode_record(record)
    except ValueError as exc:
        raise SigningError(f"a row cannot be recorded: {exc}", seen=record["row_id"]) from exc


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
