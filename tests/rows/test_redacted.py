import pyarrow as pa
import pytest

from synth_stack.rows.redacted import REDACTED_IN, find_copies, find_copy, mark_copies
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row

A, B, C = ("a" * 32, "b" * 32, "c" * 32)

REASONS = (
    (f"personal data: email, {REDACTED_IN}{A}", A),
    (f"{REDACTED_IN}{A}", A),
    (f"two\nlines, {REDACTED_IN}{A}", A),
    (f"near-duplicate: of {A}", None),
    (f"{REDACTED_IN}{A} and more", None),
    (f"{REDACTED_IN}{A}\n", None),
    (f"{REDACTED_IN}{A[:-1]}", None),
    (f"{REDACTED_IN}{A}a", None),
    (f"un{REDACTED_IN}{A}", None),
    (f"{REDACTED_IN}{A.upper()}", None),
    ("", None),
    (None, None),
)


@pytest.mark.parametrize(("reason", "copy"), REASONS)
def test_a_reason_names_the_copy_at_its_end_or_none(reason: str | None, copy: str | None) -> None:
    assert find_copy(reason) == copy


def test_a_column_of_reasons_is_read_as_one_reason_is() -> None:
    reasons = pa.chunked_array([pa.array([reason for reason, _ in REASONS], pa.string())])
    assert find_copies(reasons).to_pylist() == [copy for _, copy in REASONS]


def mark(rows: list[tuple[str, str | None]], reasons: dict[str, str]) -> list[bool]:
    parents = pa.array([parent for _, parent in rows], pa.string())
    table = pa.table({"row_id": pa.array([row for row, _ in rows], pa.string()), "parent_id": parents})
    columns = {"row_id": list(reasons), "reason": list(reasons.values())}
    decisions = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    marked: list[bool] = mark_copies(table, decisions).to_pylist()
    return marked


def test_a_copy_is_named_by_its_parents_reason() -> None:
    assert mark([(A, None), (B, A), (C, None)], {A: f"x: {REDACTED_IN}{B}", B: "none", C: "none"}) == [
        False,
        True,
        False,
    ]


def test_a_row_that_only_one_side_calls_a_copy_is_none() -> None:
    named = {A: f"x: {REDACTED_IN}{B}"}
    assert mark([(A, None), (B, None), (C, A)], named) == [False, False, False]
    assert mark([(A, None), (B, C)], named) == [False, False]


def test_rows_without_any_redaction_and_no_rows_give_no_copy() -> None:
    assert mark([(A, None), (B, A)], {A: f"near-duplicate: of {B}"}) == [False, False]
    assert mark([], {}) == []


def test_the_personal_data_gate_and_its_copies_name_each_other() -> None:
    from synth_stack.gates.personal_data.gate import personal_data

    rows = build_candidates([make_row(("user", "Write to jane.miller@gmail.com, please."))])
    judge = personal_data()
    assert judge.amend is not None
    every = pa.concat_tables([rows, judge.amend(rows)])
    assert mark_copies(every, judge.judge(every)).to_pylist() == [False, True]
