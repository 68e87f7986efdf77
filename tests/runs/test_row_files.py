import hashlib
from pathlib import Path

from synth_stack.files import write_table
from synth_stack.images.store import store_name
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.committed import DONE, commit_candidates, find_damage, heal
from synth_stack.runs.row_files import sweep_row_files, take_row_files, write_row_files
from tests.some_rows import make_row


def commit_row(folder: Path, data: bytes = b"picture") -> Path:
    digest = hashlib.sha256(data).hexdigest()
    path = store_name("x.png", digest)
    assert path is not None
    row = make_row(kind="image", attachments=[{"path": path, "sha256": digest}])
    write_row_files(folder, [{**row, "files": {path: data}}])
    write_table(folder / "candidates" / "part-00.parquet", build_candidates([row]))
    return folder / path


def test_files_are_taken_out_of_rows_and_written_once(tmp_path: Path) -> None:
    rows = [{"files": {"a/1": b"x"}}, {"files": {"a/1": b"x", "a/2": b"y"}}, {}]
    assert take_row_files(rows) == {"a/1": b"x", "a/2": b"y"}
    assert rows == [{}, {}, {}]


def test_a_file_that_no_row_names_is_swept(tmp_path: Path) -> None:
    kept = commit_row(tmp_path)
    lost = kept.with_name("0" * 64 + ".png")
    lost.write_bytes(b"of a killed process")
    kept.with_name(f".{kept.name}.ab.tmp").write_bytes(b"half")
    sweep_row_files(tmp_path)
    assert list(kept.parent.iterdir()) == [kept]


def test_a_part_whose_file_is_lost_or_changed_is_made_again(tmp_path: Path) -> None:
    file = commit_row(tmp_path)
    commit_candidates(tmp_path)
    mark = tmp_path / "candidates" / DONE
    assert find_damage(mark) == []
    file.write_bytes(b"changed")
    assert [damage.partition(" ")[2] for damage in find_damage(mark)] == [
        f"{file.relative_to(tmp_path)} was changed since it was committed"
    ]
    assert heal(mark)
    assert not (tmp_path / "candidates" / "part-00.parquet").exists()
    commit_row(tmp_path)


def test_an_image_that_was_read_elsewhere_is_no_file_of_the_run(tmp_path: Path) -> None:
    row = make_row(kind="image", attachments=[{"path": "images/cats/1.png", "sha256": "0" * 64}])
    write_table(tmp_path / "candidates" / "part-00.parquet", build_candidates([row]))
    commit_candidates(tmp_path)
    assert find_damage(tmp_path / "candidates" / DONE) == []
