from collections.abc import Callable
from pathlib import Path

import pytest

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import read_table
from synth_stack.packs import layout
from synth_stack.packs.record_lookup import find_record, is_indexed
from synth_stack.packs.verify.verify import verify_row
from tests.packs.judged_run import ROWS, build_pack


def ids_of(pack: Path) -> list[str]:
    """The rows in the order of the tree."""
    ids: list[str] = read_table(pack / layout.records_name(0))["row_id"].to_pylist()
    return ids


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pack(tmp_path_factory.mktemp("indexed"))


def test_every_row_is_found_by_its_id_and_by_its_beginning(pack: Path) -> None:
    for place, row_id in enumerate(ids_of(pack)):
        for wanted in (row_id, row_id[:8]):
            found = find_record(pack, wanted, ROWS)
            assert (found.row_id, found.leaf) == (row_id, place)
            assert row_id.encode() in found.data
            assert is_indexed(pack, wanted)


def test_a_row_that_is_not_there_is_looked_for_in_all_records(pack: Path) -> None:
    assert not is_indexed(pack, "0" * 32)
    with pytest.raises(InputError, match="no row of that id"):
        find_record(pack, "0" * 32, ROWS)
    with pytest.raises(InputError, match="not a row id"):
        is_indexed(pack, "xyz")


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (lambda data: bytes(len(data)), "does not lead to row"),
        (lambda data: _lead_to(data, bytes(3) + b"\x05"), "does not lead|leaf 5"),
        (lambda data: data[:-12], "not of the length"),
        (lambda data: _lead_to(data, b"\xff" * 4), "not what any records"),
    ],
)
def test_an_index_that_leads_astray_proves_nothing(
    pack: Path, tmp_path: Path, lie: Callable[[bytes], bytes], says: str
) -> None:
    path = pack / layout.INDEX
    sound = path.read_bytes()
    try:
        path.write_bytes(lie(sound))
        with pytest.raises(VerificationError, match=says):
            verify_row(pack, ids_of(pack)[2])
    finally:
        path.write_bytes(sound)


def _lead_to(data: bytes, leaf: bytes) -> bytes:
    return b"".join(data[start : start + 8] + leaf for start in range(0, len(data), 12))
