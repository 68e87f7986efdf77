import pyarrow as pa
import pytest

from synth_stack.errors import InputError
from synth_stack.rows.row_ids import find_row_id

TABLES = [
    pa.table({"row_id": ["aaaaaaaa" + "0" * 24, "aaaaaaaa" + "1" * 24]}),
    pa.table({"row_id": ["bbbbbbbb" + "0" * 24]}),
]


def test_a_whole_id_is_found_with_its_place_over_all_tables() -> None:
    assert find_row_id(TABLES, "bbbbbbbb" + "0" * 24, where="it") == ("bbbbbbbb" + "0" * 24, 2)


def test_a_start_that_only_one_row_has_is_enough() -> None:
    assert find_row_id(TABLES, "bbbbbbbb", where="it")[1] == 2
    assert find_row_id(TABLES, "aaaaaaaa1", where="it")[1] == 1


def test_a_start_that_several_rows_have_is_refused_and_names_them() -> None:
    with pytest.raises(InputError, match=r"2 rows of it begin with that id.*Name one: aaaaaaaa0.*aaaaaaaa1"):
        find_row_id(TABLES, "aaaaaaaa", where="it")


def test_an_id_that_is_not_there_names_those_that_begin_alike() -> None:
    with pytest.raises(InputError, match=r"has no row of that id.*Close to it: aaaaaaaa0"):
        find_row_id(TABLES, "aaaaaaaa2", where="it")
    with pytest.raises(InputError) as caught:
        find_row_id(TABLES, "c" * 32, where="it")
    assert caught.value.mend is None


def test_nothing_is_found_in_nothing() -> None:
    with pytest.raises(InputError, match="has no row of that id"):
        find_row_id([], "c" * 32, where="it")
