import hashlib
import io
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.errors import StoreError, VerificationError
from synth_stack.lineage.leaf_index import ENTRY_BYTES, MAX_NEAR, LeafIndex, find_leaves

IDS = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(500)]
ALIKE = ["0" * 16 + f"{number:016x}" for number in range(3)]


def build(*parts: list[str]) -> bytes:
    with closing(LeafIndex()) as index:
        for part in parts:
            index.add(pa.array(part, pa.string()))
        return b"".join(index.each_block())


def find_repeated(*parts: list[str]) -> str | None:
    with closing(LeafIndex()) as index:
        for part in parts:
            index.add(pa.array(part, pa.string()))
        assert index.find_repeated() == index.find_repeated()
        return index.find_repeated()


def find(data: bytes, prefix: str) -> list[int]:
    return find_leaves(io.BytesIO(data), len(data) // ENTRY_BYTES, prefix, "index")


@pytest.mark.parametrize("digits", [8, 16, 20, 32])
def test_every_row_is_found_by_the_beginning_of_its_id(digits: int) -> None:
    data = build(IDS[:123], [], IDS[123:])
    assert [find(data, row_id[:digits]) for row_id in IDS] == [[place] for place in range(len(IDS))]
    assert find(data, "f" * digits) == find(data, "0" * digits) == []


def test_rows_that_begin_alike_are_all_found_in_their_order() -> None:
    data = build(ALIKE[:1] + IDS + ALIKE[1:])
    assert find(data, ALIKE[0]) == [0, 501, 502]


def test_parts_do_not_change_the_bytes() -> None:
    assert build(IDS) == build(*([row_id] for row_id in IDS))
    assert build() == b""


@pytest.mark.parametrize("run_rows", [1, 7, 100])
def test_rows_beyond_those_in_memory_give_the_same_bytes(
    run_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [*ALIKE[:1], *IDS, *ALIKE[1:]]
    expected = build(ids)
    monkeypatch.setattr("synth_stack.lineage.leaf_index.RUN_ROWS", run_rows)
    assert build(*(ids[start : start + 3] for start in range(0, len(ids), 3))) == expected
    assert find_repeated(*([row_id] for row_id in ids)) is None


@pytest.mark.parametrize("run_rows", [3, 10_000])
@pytest.mark.parametrize("again", [IDS[7], ALIKE[1]])
def test_an_id_that_was_added_twice_is_named(
    again: str, run_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth_stack.lineage.leaf_index.RUN_ROWS", run_rows)
    assert find_repeated(ALIKE, IDS, [again]) == again


def test_a_full_temporary_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth_stack.lineage.leaf_index.RUN_ROWS", 3)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with closing(LeafIndex()) as index, pytest.raises(StoreError, match="temporary file of an index"):
        index.add(pa.array(IDS, pa.string()))


@pytest.mark.parametrize("change", [lambda d: d[:-12], lambda d: d + bytes(12), lambda d: bytes(12) + d[12:]])
def test_another_index_is_refused(change: object, tmp_path: Path) -> None:
    assert callable(change)
    index = LeafIndex()
    index.add(pa.array(IDS, pa.string()))
    index.write(tmp_path / "index.bin")
    data = (tmp_path / "index.bin").read_bytes()
    index.compare(io.BytesIO(data), "index")
    with pytest.raises(VerificationError, match=r"index(: entry \d+ is not| holds more)"):
        index.compare(io.BytesIO(change(data)), "index")


def test_a_hostile_index_leads_nowhere() -> None:
    same = (bytes.fromhex(ALIKE[0])[:8] + bytes(4)) * (MAX_NEAR + 1)
    with pytest.raises(VerificationError, match="is not what any records give"):
        find(same, ALIKE[0])
    with pytest.raises(VerificationError, match="is not what any records give"):
        find(bytes.fromhex(ALIKE[0])[:8] + b"\xff" * 4, ALIKE[0])
    with pytest.raises(VerificationError, match="not of the length"):
        find_leaves(io.BytesIO(b"x" * 13), 1, ALIKE[0], "index")
