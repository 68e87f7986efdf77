from pathlib import Path

import pytest

from synth_stack.errors import StoreError
from synth_stack.runs.committed import DONE, commit_verdicts, find_damage, heal, is_whole, require_whole
from synth_stack.runs.folder import write_manifest
from tests.packs.judged_run import build_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return build_run(tmp_path / "run")


def test_a_run_that_nobody_touched_is_whole(run: Path) -> None:
    require_whole(run)
    assert is_whole(run / "candidates" / DONE)
    assert not heal(run / "candidates" / DONE)


PARTS = (
    "candidates/part-00000.parquet",
    "candidates/part-00001.parquet",
    "verdicts/dedup/part-00000.parquet",
    "verdicts/toxicity/part-late-00000.parquet",
    "canaries/dedup.parquet",
)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_gone_is_named_with_what_makes_it_again(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(StoreError, match=rf"{name} is missing: it was committed here\. Type the command"):
        require_whole(run)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_was_changed_is_named_and_healed(run: Path, name: str) -> None:
    data = bytearray((run / name).read_bytes())
    data[len(data) // 2] ^= 1
    (run / name).write_bytes(data)
    with pytest.raises(StoreError, match=f"{name} was changed since it was committed"):
        require_whole(run)
    stage = name.split("/", maxsplit=1)[0]
    mark = run / (f"verdicts/{Path(name).stem}" if stage == "canaries" else str(Path(name).parent)) / DONE
    assert heal(mark)
    assert not mark.exists()
    assert not (run / name).exists()
    assert not heal(mark)


def test_a_part_that_was_added_is_named(run: Path) -> None:
    copy = run / "candidates" / "part-00002.parquet"
    copy.write_bytes((run / PARTS[0]).read_bytes())
    with pytest.raises(StoreError, match=r"part-00002\.parquet was added since the stage was done"):
        require_whole(run)


def test_the_rows_that_gates_and_people_put_in_later_do_not_break_the_first_mark(run: Path) -> None:
    (run / "candidates" / "part-amended-00000.parquet").write_bytes((run / PARTS[0]).read_bytes())
    assert not find_damage(run / "candidates" / DONE)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"\xff", b'{"files":{"../../x":"0"},"scheme":"synth_stack/committed/v1"}']
)
def test_a_mark_that_names_nothing_is_no_reason_to_sign(run: Path, data: bytes) -> None:
    mark = run / "candidates" / DONE
    mark.write_bytes(data)
    with pytest.raises(StoreError, match="does not name what was committed"):
        require_whole(run)
    assert not heal(mark)
    assert not mark.exists()


def test_rows_that_were_never_committed_are_not_signed(run: Path) -> None:
    (run / "candidates" / DONE).unlink()
    with pytest.raises(StoreError, match="was not committed to its end"):
        require_whole(run)


@pytest.mark.parametrize(
    "name", ["decisions.parquet", "seeds/seeds.parquet", "verdicts/dedup/part-00000.parquet"]
)
def test_what_the_manifest_lists_has_to_be_there_as_it_was(run: Path, name: str) -> None:
    write_manifest(run, {})
    require_whole(run)
    data = (run / name).read_bytes()
    (run / name).write_bytes(data + b"x")
    commit_verdicts(run, "dedup")
    with pytest.raises(StoreError, match=rf"{name} was changed since .*MANIFEST\.json was written"):
        require_whole(run)
    (run / name).unlink()
    commit_verdicts(run, "dedup")
    with pytest.raises(StoreError, match=f"{name} is missing"):
        require_whole(run)
