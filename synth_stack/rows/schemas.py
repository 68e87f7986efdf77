"""The nouns of the straight line as Arrow tables, and the digests that name them.

A table of candidates goes from stage to stage; verdicts and decisions refer to it by `row_id`.
A `row_id` is the digest of the row itself, so a changed row no longer carries its own name.
"""

import hashlib
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NewType, TypeAlias

import orjson
import pyarrow as pa

RowId = NewType("RowId", str)
"""32 lower-case hexadecimal characters: the first 16 bytes of SHA-256 over the canonical row."""


ROW_SCHEME = "synth_stack/row/v2"
"""Stands inside the digested bytes, so that a later scheme can never give the same id."""

KINDS = ("instruction", "code", "dialogue", "preference", "tool", "adversarial", "image", "foreign")
OUTCOMES = ("accept", "reject", "hold", "abstain")
DECISIONS = ("accepted", "rejected", "held")
SCOPES = ("row", "lot", "slice", "batch")
ROLES = ("system", "user", "assistant", "tool")

TOOL_CALLS = pa.list_(pa.struct([("id", pa.string()), ("name", pa.string()), ("arguments", pa.string())]))
"""What an assistant asks of tools; `arguments` is JSON, as the model wrote it."""

MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("reasoning", pa.string()),
        ("tool_calls", TOOL_CALLS),
        ("tool_call_id", pa.string()),
        ("name", pa.string()),
        ("finish", pa.string()),
    ]
)
"""One message: `reasoning` is what a model thought before it answered, `tool_call_id` the call that a tool's
message answers, `name` the tool or speaker, `finish` how the answer ended (stop, length, tool_calls, ...)."""

MESSAGES = pa.list_(MESSAGE)

ALTERNATIVES = pa.list_(
    pa.struct(
        [
            ("label", pa.string()),
            ("messages", MESSAGES),
            ("rating", pa.string()),
            ("ratings", pa.string()),
            ("model", pa.string()),
        ]
    )
)
"""Continuations of `messages` that were compared. `label` is "chosen", "rejected" or null; `rating` a decimal
string (a float would not survive the digest), `ratings` canonical JSON by aspect."""

DOCUMENTS = pa.list_(
    pa.struct([("id", pa.string()), ("title", pa.string()), ("text", pa.string()), ("source", pa.string())])
)
"""What a row is grounded in."""

MODELS = pa.list_(pa.struct([("part", pa.string()), ("name", pa.string()), ("digest", pa.string())]))
"""Every model that worked on a row; `part` says as what: writer, judge or rewriter."""

ATTACHMENTS = pa.list_(
    pa.struct(
        [
            ("path", pa.string()),
            ("sha256", pa.string()),
            ("mime", pa.string()),
            ("role", pa.string()),
            ("pixels_sha256", pa.string()),
            ("width", pa.int64()),
            ("height", pa.int64()),
        ]
    )
)
"""Files beside the row: `path` relative to the folder of the batch, `sha256` of the file, `role` one of
ATTACHMENT_ROLES. Of an image that can be decoded, also its size in pixels and the digest of these
(`images.pixel_digest`), which another encoding of the same pixels shares."""

ATTACHMENT_ROLES = ("result", "condition", "source")
"""What an attachment is to its row: what the row hands over, what steered its making, what that was drawn
from. Null counts as `result`."""

CONTENT_FIELDS: tuple[pa.Field, ...] = (
    pa.field("kind", pa.string(), nullable=False),
    pa.field("slice", pa.string()),
    pa.field("locale", pa.string()),
    pa.field("messages", MESSAGES, nullable=False),
    pa.field("tools", pa.string()),
    pa.field("alternatives", ALTERNATIVES),
    pa.field("documents", DOCUMENTS),
    pa.field("text", pa.string()),
    pa.field("attachments", ATTACHMENTS, nullable=False),
    pa.field("failure", pa.string()),
    pa.field("extra", pa.string()),
)
"""What the row says. `text` is what most gates read: what is said and called in the messages and in every
alternative; `tools` is canonical JSON, the list of schemas that the assistant may call; `failure` is why a
generator or a reader could not make a whole row (null for a whole one); `extra` is canonical JSON."""

ORIGIN_FIELDS: tuple[pa.Field, ...] = (
    pa.field("source_id", pa.string()),
    pa.field("seed_id", pa.string()),
    pa.field("parent_id", pa.string()),
    pa.field("generator", pa.string(), nullable=False),
    pa.field("generator_version", pa.string(), nullable=False),
    pa.field("teacher", pa.string()),
    pa.field("teacher_digest", pa.string()),
    pa.field("models", MODELS),
    pa.field("template_id", pa.string()),
    pa.field("params", pa.string()),
    pa.field("draw", pa.int64(), nullable=False),
    pa.field("rng_seed", pa.int64()),
    pa.field("replayable", pa.bool_(), nullable=False),
)
"""Where the row comes from. For a foreign row `seed_id` is `sha256:<digest of the dataset>`, `draw`
its position there and `source_id` its own `id` column. `parent_id` is the row that this one replaces (a
redacted or corrected copy); for a dialogue it is a node of its tree, which is no row. `params` is canonical
JSON."""

CANDIDATE_SCHEMA = pa.schema(
    [pa.field("row_id", pa.string(), nullable=False), *CONTENT_FIELDS, *ORIGIN_FIELDS]
)

VERDICT_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("gate", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("score", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("reason", pa.string()),
        pa.field("reason_class", pa.string()),
        pa.field("evidence", pa.string()),
        pa.field("scope", pa.string(), nullable=False),
    ]
)
"""One row per candidate that a gate looked at, in the order of the candidates. `reason` is a sentence for
people; `reason_class` a short stable code for programs, `<gate>.<what>`, null for an accepted row. `evidence`
is canonical JSON; the keys in CITED name things that other programs look up, and `counts` holds whole numbers
that may be added up over a batch."""

CITED = ("replaced_by", "eval_set", "item", "twin")
"""Keys of `evidence` that a lineage record keeps in the clear: the row that stands for this one, the eval set
and item that it repeats, the row that it is like."""

CANARY_SCHEMA = pa.schema(
    [
        *VERDICT_SCHEMA,
        pa.field("canary", pa.string(), nullable=False),
        pa.field("canary_kind", pa.string(), nullable=False),
        pa.field("control", pa.bool_(), nullable=False),
        pa.field("caught_as", pa.list_(pa.string())),
    ]
)
"""What a gate said of a row that was planted to test it: one to be turned away, or a `control`, which has to
pass. `canary` says in words what is special about it, `canary_kind` with which others it is counted, and
`caught_as` by which reason classes it is caught; null: by any."""

DECISION_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("gate", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("reason_class", pa.string()),
        pa.field("replaced_by", pa.string()),
    ]
)
"""One row per generated or foreign row. All but `row_id` and `source_id` are null for an accepted row;
`replaced_by` is the row_id of the row that stands for a rejected one, where there is one."""

_Members: TypeAlias = Mapping[str, "_Members"]
"""The fields of a struct by name, each with those of its own: none where it is no list of structs."""

REASON_CLASS = r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_]*)+$"
"""What a `reason_class` looks like."""


def canonical_row(row: Mapping[str, Any]) -> bytes:
    """The canonical bytes of one candidate: content and origin, without its `row_id`.

    A field of a message, alternative, document or model that is null is left out, so that a table and the
    mapping that it was built from give the same bytes. An empty list is not null: the two are different rows.

    Equal to RFC 8785 over the same value: keys are ASCII, there are no floats, and integers stay
    within 2**53, and for such values sorted orjson output is the canonical form (tested against the
    reference implementation; about 13 times faster).
    """
    content = dict(zip(_CONTENT_NAMES, _take_content(row), strict=True))
    origin = dict(zip(_ORIGIN_NAMES, _take_origin(row), strict=True))
    for part, names in ((content, _CONTENT_LISTS), (origin, _ORIGIN_LISTS)):
        for name in names:
            if part[name]:
                part[name] = drop_nulls(part[name])
    return encode_canonical(content, origin)


def encode_canonical(content: Mapping[str, Any], origin: Mapping[str, Any]) -> bytes:
    """The canonical bytes of content and origin, whose structs have no null field. Raises ValueError."""
    value = {"scheme": ROW_SCHEME, "content": content, "origin": origin}
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as exc:
        raise ValueError(f"row is not representable as canonical JSON: {exc}") from exc


def drop_nulls(value: Any) -> Any:
    """The value, and if it is a list of structs, these without their null fields, however deep they lie."""
    return [_drop_null_fields(item) for item in value] if isinstance(value, list | tuple) else value


def _drop_null_fields(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return {k: drop_nulls(v) if isinstance(v, list | tuple) else v for k, v in item.items() if v is not None}


def row_id_of(row: Mapping[str, Any]) -> RowId:
    """The id that the row's own content and origin give it."""
    return RowId(hashlib.sha256(canonical_row(row)).hexdigest()[:32])


def build_candidates(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A candidate table from row dicts, with `row_id` computed; absent nullable fields are null.

    Raises KeyError for a missing required field, ValueError for a kind that is none of KINDS (the kind
    decides the split of a pack) and for a nested field that the schema does not have (it would be in the id
    and not in the table), and pyarrow's ArrowInvalid or ArrowTypeError for a wrong type.
    """
    complete: list[dict[str, Any]] = []
    for row in rows:
        full = {**_NOTHING, **row}
        if not row.keys() >= _REQUIRED_NAMES:
            raise KeyError(
                next(name for name in CANDIDATE_SCHEMA.names if name in _REQUIRED_NAMES - row.keys())
            )
        if full["kind"] not in KINDS:
            raise ValueError(f"a row is of no kind that there is: {full['kind']!r}")
        for name, members in _NESTED.items():
            if full[name]:
                _require_known(full[name], members, name)
        full["row_id"] = row_id_of(full)
        complete.append(full)
    return pa.Table.from_pylist(complete, schema=CANDIDATE_SCHEMA)


def _require_known(value: Any, members: _Members, where: str) -> None:
    """Refuse a struct with a key that is none of `members`; what is no list of structs is left to Arrow."""
    for item in value if isinstance(value, list | tuple) else ():
        if not isinstance(item, dict):
            continue
        if not members.keys() >= item.keys():
            unknown = min(map(str, item.keys() - members.keys()))
            raise ValueError(f"a row has {where}.{unknown}, and there is no such field")
        for name, value_inside in item.items():
            if value_inside and members[name]:
                _require_known(value_inside, members[name], f"{where}.{name}")


def recompute_row_ids(table: pa.Table) -> list[RowId]:
    """The ids that the rows of a candidate table should carry, in order."""
    columns = [f.name for f in CANDIDATE_FIELDS]
    return [row_id_of(row) for row in table.select(columns).to_pylist()]


def build_verdicts(
    row_ids: pa.Array | pa.ChunkedArray,
    gate: str,
    outcomes: Sequence[str],
    *,
    scores: Sequence[float | None] | None = None,
    threshold: float | None = None,
    reasons: Sequence[str | None] | None = None,
    reason_classes: Sequence[str | None] | None = None,
    evidence: Sequence[str | None] | None = None,
    scope: str = "row",
) -> pa.Table:
    """A verdict table, one row per id in `row_ids`, columns of equal length (n,)."""
    n = len(row_ids)
    nothing: list[None] = [None] * n
    columns = {
        "row_id": row_ids,
        "gate": [gate] * n,
        "outcome": outcomes,
        "score": nothing if scores is None else scores,
        "threshold": [threshold] * n,
        "reason": nothing if reasons is None else reasons,
        "reason_class": nothing if reason_classes is None else reason_classes,
        "evidence": nothing if evidence is None else evidence,
        "scope": [scope] * n,
    }
    return pa.table(columns, schema=VERDICT_SCHEMA)


CANDIDATE_FIELDS: tuple[pa.Field, ...] = CONTENT_FIELDS + ORIGIN_FIELDS

# Asking a pyarrow field for its name costs 1 us: four fifths of a row's digest, if asked each time.
_CONTENT_NAMES = tuple(f.name for f in CONTENT_FIELDS)
_ORIGIN_NAMES = tuple(f.name for f in ORIGIN_FIELDS)
_REQUIRED_NAMES = frozenset(f.name for f in CANDIDATE_FIELDS if not f.nullable)
_NOTHING = dict.fromkeys(f.name for f in CANDIDATE_FIELDS if f.nullable)
_CONTENT_LISTS = tuple(f.name for f in CONTENT_FIELDS if pa.types.is_list(f.type))
_ORIGIN_LISTS = tuple(f.name for f in ORIGIN_FIELDS if pa.types.is_list(f.type))
_take_content = operator.itemgetter(*_CONTENT_NAMES)
_take_origin = operator.itemgetter(*_ORIGIN_NAMES)


def _list_members(kind: pa.DataType) -> _Members:
    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return {}
    return {field.name: _list_members(field.type) for field in kind.value_type}


_NESTED = {field.name: members for field in CANDIDATE_FIELDS if (members := _list_members(field.type))}
