"""What came from a row or a seed, over several packs."""

from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.packs.descendants import trace_descendants
from tests.packs.judged_run import build_pack


def test_descendants_are_found_in_every_pack(tmp_path: Path) -> None:
    packs = [build_pack(tmp_path / "a"), build_pack(tmp_path / "b")]
    found = trace_descendants(packs, {"seed": ["seed-000003"]})
    assert [len(rows) for rows in found.packs.values()] == [3, 3]
    assert any("3 rows, accepted: 2" in line for line in found.lines())
    row_id = next(iter(found.packs[packs[0]]))
    one = trace_descendants(packs, {}, row_id=row_id[:8])
    assert one.to_json()["select"] == {"row": [row_id]}
    assert all({*rows} == {row_id} for rows in one.packs.values())


def test_a_folder_without_a_pack_and_an_unknown_row_are_refused(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    with pytest.raises(InputError, match="holds no pack"):
        trace_descendants([pack, tmp_path / "run"], {"seed": ["x"]})
    with pytest.raises(InputError):
        trace_descendants([pack], {}, row_id="0" * 32)
