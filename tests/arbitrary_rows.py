"""Values of every Arrow type of a row, for property tests: nested, with nulls, whatever the schema allows."""

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from synth_stack.rows.schemas import CANDIDATE_FIELDS, KINDS

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)


def draw_values(kind: pa.DataType, texts: st.SearchStrategy[Any] = TEXTS) -> st.SearchStrategy[Any]:
    """Values of an Arrow type as mappings and lists; a field of a struct may be null or absent."""
    if pa.types.is_list(kind):
        return st.lists(draw_values(kind.value_type, texts), max_size=2)
    if pa.types.is_struct(kind):
        members = {field.name: st.none() | draw_values(field.type, texts) for field in kind}
        return st.fixed_dictionaries({}, optional=members)
    return {pa.string(): texts, pa.int64(): INTEGERS, pa.bool_(): st.booleans()}[kind]


def draw_rows(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Rows of every field; a nullable one may be null. `columns` take the place of what is drawn for some."""
    drawn = {
        field.name: st.none() | draw_values(field.type) if field.nullable else draw_values(field.type)
        for field in CANDIDATE_FIELDS
    }
    return st.fixed_dictionaries({**drawn, "kind": st.sampled_from(KINDS), **columns})
