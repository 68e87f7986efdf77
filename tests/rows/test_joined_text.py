from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.rows.joined_text import join_texts
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text
from tests.examples import examples
from tests.some_rows import make_row

TEXTS = st.sampled_from([None, "", "a", "b\n\nc", "é\u200b"])
CALLS = st.none() | st.lists(
    st.fixed_dictionaries({"id": st.none(), "name": TEXTS, "arguments": TEXTS}), max_size=2
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXTS, "tool_calls": CALLS}), max_size=3
)
SIDES = st.none() | st.lists(
    st.fixed_dictionaries({"label": st.just("chosen"), "messages": st.none() | MESSAGES}), max_size=2
)


def join_all(rows: list[dict[str, Any]]) -> list[str | None]:
    said = [
        len(row["messages"]) + sum(len(a["messages"] or ()) for a in row["alternatives"] or ())
        for row in rows
    ]
    return [
        join_text(row["messages"], row["alternatives"]) if number else None
        for row, number in zip(rows, said, strict=True)
    ]


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.tuples(MESSAGES, SIDES), min_size=1, max_size=4))
def test_whole_columns_are_joined_as_single_rows_are(parts: list[tuple[Any, Any]]) -> None:
    rows = [
        {**make_row(draw=draw), "messages": messages, "alternatives": sides}
        for draw, (messages, sides) in enumerate(parts)
    ]
    table = build_candidates(rows)
    assert join_texts(table).to_pylist() == join_all(rows)
    joined = pa.concat_arrays([join_texts(table.slice(k, 1)) for k in range(len(table))])
    assert joined.to_pylist() == join_all(rows)


def test_no_rows_have_no_texts() -> None:
    assert len(join_texts(build_candidates([]))) == 0
