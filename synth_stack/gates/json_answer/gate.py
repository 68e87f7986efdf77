"""Answers that are JSON of their schema, and say what stands in the text that they were read from."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.json_answer.canaries import plant_bad_answers, plant_good_answers
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.inputs.answer_schemas import SchemaFile, read_schemas
from synth_stack.registry import FilePath, gate
from synth_stack.rows.answers import read_answers
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.json_answers import list_leaves, measure_grounding, parse_answer, strip_fence
from synth_stack.rows.json_schema import read_schema
from synth_stack.text.fields import read_asked

MIN_GROUNDED = 0.5
"""Half of what the answer says: the rest may be a name for what the text describes, or a day written anew."""
_UNGROUNDED = "json_answer.ungrounded"
_SHOWN_CHARS = 60


@gate("json_answer", version="1", reads=("content", "alternatives", "extra"), harm="form")
def json_answer(
    *,
    common_schema: FilePath | None = None,
    min_grounded: Annotated[float, Field(ge=0, le=1)] = MIN_GROUNDED,
    ungrounded: Literal["reject", "hold", "ignore"] = "hold",
) -> Judge:
    """A judge that rejects answers which are not JSON alone, or do not fit the schema of their row.

    The schema stands in `extra.json_answer.schema`; `common_schema` names a file with that of all rows that
    have none of their own. A row with neither is none of its business. The answer is strict JSON (RFC 8259),
    without a fence or words around it, and names no member twice; what of JSON Schema is checked,
    rows/json_schema.py says. An answer that holds no text, number or truth value says nothing. The score is
    the share of its texts and numbers that stand in what the user said, texts that the schema itself offers
    left out; below `min_grounded`, `ungrounded` says what becomes of the row.

    Raises InputError for a file that is no single schema.
    """
    common = _read_common(common_schema)

    def judge(table: pa.Table, _: State) -> pa.Table:
        asked = read_asked(table).to_list()
        rows = read_answers(append_chosen(table))
        said = [
            _judge_row(answer, asked[row] or "", _find_schema(extra, common), min_grounded, ungrounded)
            for row, _, answer, extra in rows
        ]
        return write_row_verdicts(table, "json_answer", said, threshold=min_grounded)

    return Judge(
        judge=judge,
        plant=lambda sample, n, _: plant_bad_answers(
            sample, n, common=common is not None, grounded=ungrounded != "ignore" and min_grounded > 0
        ),
        control=lambda sample, n, _: plant_good_answers(sample, n, common=common is not None),
        min_recall=1.0,
        dials=(Dial(min_grounded, "<", (_UNGROUNDED,), parameter="min_grounded", outcome="ungrounded"),),
        off=() if ungrounded != "ignore" else ("made_up",),
    )


def _read_common(path: str | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    found = read_schemas(SchemaFile(path=path)).schemas
    return found[0].schema if len(found) == 1 else {"anyOf": [each.schema for each in found]}


def _find_schema(extra: Mapping[str, Any], common: Mapping[str, Any] | None) -> Any:
    own = extra.get("json_answer")
    return own.get("schema") if isinstance(own, dict) and own.get("schema") is not None else common


def _judge_row(
    text: str, asked: str, schema: Any, min_grounded: float, ungrounded: Literal["reject", "hold", "ignore"]
) -> RowVerdict:
    if schema is None:
        return RowVerdict("abstain", None, "the row states no schema", "json_answer.no_schema")
    value, fault = _read_answer(text, schema)
    if fault is not None:
        return fault
    found, total, first = measure_grounding(value, asked, _list_fixed(schema))
    score = found / total if total else None
    counts = canonical_text({"counts": {"values": total, "grounded": found}})
    if score is not None and score < min_grounded and ungrounded != "ignore":
        shown = str(first)[:_SHOWN_CHARS]
        reason = f"ungrounded: {total - found} of {total} values stand nowhere in the text, {shown!r} for one"
        return RowVerdict(ungrounded, score, reason, _UNGROUNDED, counts)
    return RowVerdict("accept", score=score, evidence=counts)


def _read_answer(text: str, schema: Any) -> tuple[Any, RowVerdict | None]:
    """The value of an answer, or what is wrong with its form."""
    try:
        known = read_schema(schema)
    except (ValueError, RecursionError) as exc:
        said = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        return None, RowVerdict("reject", None, f"bad schema: {said[:200]}", "json_answer.bad_schema")
    if strip_fence(text) != text:
        return None, RowVerdict(
            "reject", None, "not bare: a fence stands around the JSON", "json_answer.not_bare"
        )
    try:
        value = parse_answer(text)
        misfit = known.find_misfit(value)
    except ValueError as exc:
        return None, RowVerdict("reject", None, f"not JSON: {str(exc)[:200]}", "json_answer.not_json")
    if misfit is not None:
        return None, RowVerdict(
            "reject", None, f"misfit: the answer breaks its schema at {misfit[:200]}", "json_answer.misfit"
        )
    if not any(leaf != "" for leaf in list_leaves(value)):
        return None, RowVerdict(
            "reject", None, "says nothing: no member of the answer has a value", "json_answer.says_nothing"
        )
    return value, None


def _list_fixed(schema: Any) -> frozenset[str]:
    """The texts that a schema itself offers, in `enum`, `const` and `default`."""
    found: set[str] = set()
    left = [schema]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            offered = [*_as_list(item.get("enum")), item.get("const"), item.get("default")]
            found |= {each for each in offered if isinstance(each, str)}
            left += item.values()
        elif isinstance(item, list):
            left += item
    return frozenset(found)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
