import pyarrow as pa

from synth_stack.rows.replacements import mark_replacements

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def make(rows: list[tuple[str, str | None]], second: str) -> pa.Table:
    """A table of row ids and one more column of them."""
    return pa.Table.from_pylist(
        [{"row_id": row, second: other} for row, other in rows],
        schema=pa.schema([("row_id", pa.string()), (second, pa.string())]),
    )


def mark(rows: list[tuple[str, str | None]], replaced_by: dict[str, str | None]) -> list[bool]:
    """Which of the (row, parent) pairs are replacements, with what stands for each decided row."""
    decisions = make([*replaced_by.items()], "replaced_by")
    marked: list[bool] = mark_replacements(make(rows, "parent_id"), decisions).to_pylist()
    return marked


def test_a_replacement_is_named_by_the_decision_on_its_parent() -> None:
    assert mark([(A, None), (B, A), (C, None)], {A: B, B: None, C: None}) == [False, True, False]


def test_a_row_that_only_one_side_calls_a_replacement_is_none() -> None:
    assert mark([(A, None), (B, None), (C, A)], {A: B}) == [False, False, False]
    assert mark([(A, None), (B, C)], {A: B}) == [False, False]


def test_a_batch_without_replacements_and_an_empty_one_have_none() -> None:
    assert mark([(A, None), (B, A)], {A: None}) == [False, False]
    assert mark([], {}) == []


def test_columns_in_several_chunks_are_read_as_one() -> None:
    rows = pa.concat_tables([make([(A, None)], "parent_id"), make([(B, A)], "parent_id")])
    decisions = pa.concat_tables([make([(B, None)], "replaced_by"), make([(A, B)], "replaced_by")])
    assert mark_replacements(rows, decisions).to_pylist() == [False, True]
