"""The columns of data/ as Croissant fields."""

from typing import Any

import pyarrow as pa

from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.splits import ADVERSARIAL, TRAIN

RECORD_SETS = {TRAIN: "rows", ADVERSARIAL: "adversarial_rows"}
_TYPES = {pa.string(): "sc:Text", pa.int64(): "sc:Integer", pa.bool_(): "sc:Boolean"}
_PROVENANCE = {
    "seed_id": "prov:wasDerivedFrom",
    "parent_id": "prov:wasDerivedFrom",
    "generator": "prov:wasGeneratedBy",
    "teacher": "prov:wasAttributedTo",
}
"""Columns that say where a single row comes from, and what PROV-O calls it."""


def describe_rows(split: str) -> dict[str, Any]:
    """The record set of one split."""
    name = RECORD_SETS[split]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/row_id"},
        "field": [_describe_field(field, name, split) for field in DATA_SCHEMA],
    }


def _describe_field(field: pa.Field, parent: str, files: str) -> dict[str, Any]:
    """A column of the file set `files`; a list of structs is repeated, with a sub-field for each member."""
    name = f"{parent}/{field.name}"
    said: dict[str, Any] = {"@type": "cr:Field", "@id": name, "name": field.name}
    if pa.types.is_list(field.type):
        items = field.type.value_type
        members = [items.field(i) for i in range(len(items))]
        subfields = [_describe_member(member, name, files, field.name) for member in members]
        return {**said, "repeated": True, "subField": subfields}
    meaning = {"equivalentProperty": _PROVENANCE[field.name]} if field.name in _PROVENANCE else {}
    return {**said, **meaning, "dataType": _TYPES[field.type], "source": _read_from(files, field.name)}


def _describe_member(member: pa.Field, parent: str, files: str, column: str) -> dict[str, Any]:
    """What stands in each item of a list. What is a list of structs again is given as it stands: a JSON path
    can take no member of a list that may be null.
    """
    said: dict[str, Any] = {"@type": "cr:Field", "@id": f"{parent}/{member.name}", "name": member.name}
    if pa.types.is_list(member.type):
        items = member.type.value_type
        inside = ", ".join(items.field(i).name for i in range(len(items)))
        said |= {"description": f"A list, each item with {inside}."}
    data_type = _TYPES.get(member.type, "sc:Text")
    return {**said, "dataType": data_type, "source": _read_from(files, column, member.name)}


def _read_from(files: str, column: str, path: str | None = None) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": files}, "extract": {"column": column}}
    return {**source, "transform": {"jsonPath": path}} if path else source
