import hashlib
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.rows.row_digests import DIGESTED_ROWS, digest_rows
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates, canonical_row

CALL = {"id": "1", "name": "search", "arguments": "{}"}
MESSAGES: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "Wo?"}, {"role": "assistant", "content": "Da.", "finish": "stop"}],
    [],
    [{"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": None}]}],
    [{"role": "assistant", "content": "x", "tool_calls": []}],
    [{"role": None, "content": None}],
]


def make(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "dialogue",
        "messages": MESSAGES[number % len(MESSAGES)],
        "attachments": [],
        "generator": "hand",
        "generator_version": "1",
        "draw": number,
        "replayable": False,
        **fields,
    }


def expect(table: pa.Table) -> list[str]:
    return [hashlib.sha256(canonical_row(row)).hexdigest() for row in table.to_pylist()]


def test_digests_are_those_of_the_rows_one_by_one() -> None:
    file = {"path": "images/a.png", "sha256": "0" * 64, "mime": None, "width": 3}
    tree = [{"label": "chosen", "messages": MESSAGES[2]}, {"label": None, "messages": None}]
    rows = [
        *(make(number) for number in range(5)),
        make(5, attachments=[file, {"path": "b"}], models=[{"part": "judge", "name": None, "digest": "d"}]),
        make(6, alternatives=tree, documents=[]),
        make(7, alternatives=None, documents=[{"id": "d", "text": "t"}], models=[]),
    ]
    table = build_candidates(rows)
    assert digest_rows(table) == expect(table)
    assert [digest_rows(table.slice(place, 1))[0] for place in range(len(rows))] == expect(table)
    assert digest_rows(table.slice(2, 4)) == expect(table.slice(2, 4))
    chunked = pa.concat_tables([table.slice(3), table.slice(0, 3)])
    assert digest_rows(chunked.append_column("more", pa.array(["x"] * len(rows)))) == expect(chunked)


def test_many_rows_and_none() -> None:
    table = build_candidates(make(number) for number in range(DIGESTED_ROWS + 3))
    assert digest_rows(table) == expect(table)
    assert digest_rows(CANDIDATE_SCHEMA.empty_table()) == []


@pytest.mark.parametrize("draw", [2**53, -(2**53)])
def test_a_row_without_a_canonical_form_has_no_digest(draw: int) -> None:
    table = build_candidates([make(1), make(2)])
    rows = table.to_pylist()
    rows[1]["draw"] = draw
    strange = pa.Table.from_pylist(rows, schema=CANDIDATE_SCHEMA)
    assert digest_rows(strange) == [expect(table)[0], None]
