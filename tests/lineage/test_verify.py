from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import VerificationError
from synth_stack.lineage.merkle import (
    EMPTY_ROOT,
    TreeHead,
    grow_tree,
    leaf_hash,
    prove_from_tiles,
    prove_inclusion,
    write_tiles,
)
from synth_stack.lineage.record import RECORD_SCHEMA, leaves_of
from synth_stack.lineage.record_form import parse_record
from synth_stack.lineage.verify import check_row, verify_record, verify_records
from tests.lineage.shards import make_candidates, make_records

CANDIDATES = make_candidates(5)
RECORDS = make_records(CANDIDATES)
HEAD = grow_tree([leaves_of(RECORDS)])
IDS = RECORDS["row_id"].to_pylist()
FILE = "lineage/records-00000.parquet"


def check(table: pa.Table, head: TreeHead = HEAD, tiles: Path | None = None) -> dict[str, int]:
    shards = [(FILE, table)]
    return verify_records(shards, expected_root=head.root, expected_size=head.size, tiles=tiles)


def replace(index: int, **values: Any) -> pa.Table:
    """The sound records with some cells of one row replaced."""
    rows = RECORDS.to_pylist()
    rows[index].update(values)
    return pa.Table.from_pylist(rows, schema=RECORD_SCHEMA)


def forge(index: int, old: bytes, new: bytes) -> pa.Table:
    """The sound records with one record rewritten, its leaf made again to fit."""
    data = RECORDS["record"][index].as_py()
    assert old in data
    forged = data.replace(old, new)
    return replace(index, record=forged, leaf=leaf_hash(forged))


def test_what_was_signed_verifies_and_is_counted() -> None:
    assert check(RECORDS) == {"accepted": 5}


def test_files_are_one_tree_in_their_order(tmp_path: Path) -> None:
    first, second = RECORDS.slice(0, 2), RECORDS.slice(2)
    pq.write_table(first, tmp_path / "records-00000.parquet")
    pq.write_table(second, tmp_path / "records-00001.parquet")
    write_tiles(tmp_path / "tiles", [leaves_of(RECORDS)])
    shards = [(path.name, pq.read_table(path)) for path in sorted(tmp_path.glob("*.parquet"))]
    counts = verify_records(iter(shards), expected_root=HEAD.root, expected_size=5, tiles=tmp_path / "tiles")
    assert counts == {"accepted": 5}
    with pytest.raises(VerificationError, match=f"records-00001.parquet: row {IDS[2]}"):
        verify_records(shards[::-1], expected_root=HEAD.root, expected_size=5, tiles=tmp_path / "tiles")


def test_an_empty_batch_verifies(tmp_path: Path) -> None:
    nothing = RECORDS.slice(0, 0)
    write_tiles(tmp_path, [])
    assert check(nothing, TreeHead(0, EMPTY_ROOT), tmp_path) == {}
    assert verify_records([], expected_root=EMPTY_ROOT, expected_size=0) == {}


def test_a_changed_record_is_named() -> None:
    data = RECORDS["record"][3].as_py().replace(b"accepted", b"rejected")
    with pytest.raises(VerificationError, match=f"{FILE}: row {IDS[3]}: the record is not the one"):
        check(replace(3, record=data))


def test_a_changed_leaf_is_named() -> None:
    with pytest.raises(VerificationError, match=IDS[1]):
        check(replace(1, leaf=bytes(32)))


def test_a_changed_decision_column_is_named() -> None:
    with pytest.raises(VerificationError, match=f"row {IDS[4]}: the column says another decision"):
        check(replace(4, decision="rejected"))


def test_a_record_under_another_rows_name_is_named() -> None:
    with pytest.raises(VerificationError, match=f"row {IDS[0]} has the record of another row"):
        check(replace(2, row_id=IDS[0]))


def test_a_forged_record_with_its_leaf_breaks_the_root() -> None:
    with pytest.raises(VerificationError, match="not those that were signed"):
        check(forge(2, b'"locale":"en"', b'"locale":"fr"'))


def test_with_the_tiles_a_forged_record_is_named(tmp_path: Path) -> None:
    write_tiles(tmp_path, [leaves_of(RECORDS)])
    assert check(RECORDS, tiles=tmp_path) == {"accepted": 5}
    forged = forge(2, b'"locale":"en"', b'"locale":"fr"')
    with pytest.raises(VerificationError, match=f"{FILE}: row {IDS[2]} is not what was signed there"):
        check(forged, tiles=tmp_path)


def test_forged_tiles_do_not_cover_a_forged_record(tmp_path: Path) -> None:
    forged = forge(2, b'"locale":"en"', b'"locale":"fr"')
    write_tiles(tmp_path, [leaves_of(forged)])
    with pytest.raises(VerificationError, match="are not the signed tree"):
        check(forged, tiles=tmp_path)


@pytest.mark.parametrize("with_tiles", [False, True])
def test_a_record_left_out_is_found(tmp_path: Path, with_tiles: bool) -> None:
    write_tiles(tmp_path, [leaves_of(RECORDS)])
    tiles = tmp_path if with_tiles else None
    with pytest.raises(VerificationError, match="as many records as were signed; seen: 4; allowed: 5"):
        check(RECORDS.slice(0, 4), tiles=tiles)


@pytest.mark.parametrize("with_tiles", [False, True])
def test_a_record_put_in_is_found(tmp_path: Path, with_tiles: bool) -> None:
    write_tiles(tmp_path, [leaves_of(RECORDS)])
    more = pa.concat_tables([RECORDS, make_records(make_candidates(1, first=9))])
    with pytest.raises(VerificationError, match="seen: 6; allowed: 5"):
        check(more, tiles=tmp_path if with_tiles else None)


def test_records_in_another_order_are_found() -> None:
    with pytest.raises(VerificationError, match="not those that were signed"):
        check(RECORDS.take([1, 0, 2, 3, 4]))


def test_a_row_signed_twice_is_named_even_across_files() -> None:
    twice = [(FILE, RECORDS), ("lineage/records-00001.parquet", RECORDS.slice(3, 1))]
    head = grow_tree([leaves_of(table) for _, table in twice])
    with pytest.raises(VerificationError, match=f"row {IDS[3]} stands in the lineage twice"):
        verify_records(twice, expected_root=head.root, expected_size=head.size)


def test_a_record_that_is_not_canonical_is_named_even_if_it_was_signed() -> None:
    loose = forge(1, b'"locale":"en"', b'"locale": "en"')
    with pytest.raises(VerificationError, match=f"row {IDS[1]} is not canonical JSON"):
        check(loose, grow_tree([leaves_of(loose)]))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.select(["row_id", "record", "leaf"]),
        lambda table: table.rename_columns(["row_id", "decision", "record", "leaf_hash"]),
        lambda table: table.set_column(3, "leaf", table["leaf"].cast(pa.binary())),
        lambda table: table.append_column("note", pa.nulls(5)),
    ],
)
def test_a_table_of_another_shape_is_refused(spoil: Callable[[pa.Table], pa.Table]) -> None:
    with pytest.raises(VerificationError, match=f"{FILE} does not hold lineage records"):
        check(spoil(RECORDS))


def test_a_null_is_refused() -> None:
    nulled = pa.Table.from_arrays([pa.array([*IDS[:4], None]), *RECORDS.columns[1:]], schema=RECORD_SCHEMA)
    with pytest.raises(VerificationError, match=f"{FILE} holds a null"):
        check(nulled)


def test_text_that_is_not_utf_8_is_refused() -> None:
    raw = pa.array([b"\xff" * 32] + [row_id.encode() for row_id in IDS[1:]])
    broken = pa.Table.from_arrays([raw.view(pa.string()), *RECORDS.columns[1:]], schema=RECORD_SCHEMA)
    with pytest.raises(VerificationError, match=f"{FILE} is not a sound table"):
        check(broken)


def test_a_row_id_that_cannot_be_is_refused_without_printing_it() -> None:
    with pytest.raises(VerificationError, match=f"{FILE} names a row that cannot be") as caught:
        check(replace(0, row_id="\x1b[2J" + IDS[0]))
    assert str(caught.value).isprintable()


def verify_row(row: dict[str, Any], **evidence: Any) -> dict[str, Any]:
    """The record of a row, if row, record and place in the tree belong together."""
    record = verify_record(**evidence)
    check_row(row, record)
    return record


def prove(index: int) -> dict[str, Any]:
    return {
        "row_id": IDS[index],
        "data": RECORDS["record"][index].as_py(),
        "index": index,
        "size": HEAD.size,
        "proof": prove_inclusion(leaves_of(RECORDS), index),
        "root": HEAD.root,
    }


@pytest.mark.parametrize("index", range(5))
def test_a_row_its_record_and_its_proof_belong_together(tmp_path: Path, index: int) -> None:
    write_tiles(tmp_path, [leaves_of(RECORDS)])
    evidence = {**prove(index), "proof": prove_from_tiles(tmp_path, index, 5)}
    assert verify_row(CANDIDATES.to_pylist()[index], **evidence)["row_id"] == IDS[index]


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Why was I charged three times?"},
        {"messages": []},
        {"locale": None},
        {"failure": ""},
        {"teacher": "another"},
        {"draw": 2},
        {"draw": True},
        {"replayable": False},
    ],
)
def test_a_row_with_any_field_changed_is_named(change: dict[str, Any]) -> None:
    row = {**CANDIDATES.to_pylist()[1], **change}
    with pytest.raises(VerificationError, match=f"row {IDS[1]} is not the row that was recorded"):
        verify_row(row, **prove(1))


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "code"), ("locale", "fr"), ("failure", "torn"), ("slice", None), ("draw", 7)],
)
def test_a_record_that_repeats_its_row_wrongly_is_named(field: str, value: object) -> None:
    record = parse_record(RECORDS["record"][1].as_py())
    (record["origin"] if field == "draw" else record)[field] = value
    with pytest.raises(VerificationError, match=f"the {field} of row {IDS[1]} is not the recorded one"):
        check_row(CANDIDATES.to_pylist()[1], record)


def test_a_row_beyond_the_schema_keeps_its_digest() -> None:
    row = {**CANDIDATES.to_pylist()[1], "split": "train"}
    assert verify_row(row, **prove(1))["row_id"] == IDS[1]


def test_the_record_of_another_row_is_refused() -> None:
    with pytest.raises(
        VerificationError, match=f"row {IDS[0]} stands where another row was recorded; allowed: {IDS[1]}"
    ):
        verify_row(CANDIDATES.to_pylist()[0], **prove(1))


def test_a_row_that_renamed_itself_is_refused() -> None:
    row = {**CANDIDATES.to_pylist()[0], "row_id": IDS[1]}
    with pytest.raises(VerificationError, match=f"row {IDS[1]} is not the row that was recorded"):
        verify_row(row, **prove(1))


@pytest.mark.parametrize("row_id", [None, 7, "", "x" * 32, "\x1b[2J"])
def test_a_row_without_an_id_is_refused(row_id: object) -> None:
    with pytest.raises(VerificationError, match="stands where another row was recorded") as caught:
        verify_row({**CANDIDATES.to_pylist()[0], "row_id": row_id}, **prove(0))
    assert str(caught.value).isprintable()


def test_a_row_without_a_field_or_with_what_json_cannot_say_is_refused() -> None:
    row = CANDIDATES.to_pylist()[0]
    with pytest.raises(VerificationError, match="has no field 'params'"):
        verify_row({key: value for key, value in row.items() if key != "params"}, **prove(0))
    for value in ("\ud800", 2**60, b"bytes", np.int64(3)):
        with pytest.raises(VerificationError, match=f"row {IDS[0]}"):
            verify_row({**row, "draw": value}, **prove(0))


def test_a_forged_record_is_not_in_the_tree() -> None:
    record = RECORDS["record"][1].as_py().replace(b'"decision":"accepted"', b'"decision":"held"')
    with pytest.raises(VerificationError, match=f"the record of row {IDS[1]} is not leaf 1"):
        verify_row(CANDIDATES.to_pylist()[1], **{**prove(1), "data": record})


@pytest.mark.parametrize(
    "change", [{"index": 2}, {"index": 5}, {"root": bytes(32)}, {"proof": []}, {"size": 1}]
)
def test_a_proof_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="of the signed tree"):
        verify_row(CANDIDATES.to_pylist()[1], **{**prove(1), **change})


def test_a_row_and_record_forged_together_are_not_in_the_tree() -> None:
    other = make_candidates(1, first=1, locale="fr")
    record = make_records(other)["record"][0].as_py()
    with pytest.raises(VerificationError, match="is not leaf 1 of the signed tree"):
        verify_row(other.to_pylist()[0], **{**prove(1), "data": record})
