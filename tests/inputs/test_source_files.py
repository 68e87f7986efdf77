"""Which files of a source are read, within which bounds, and what is left out."""

import os
from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.gates.factuality.library import open_library
from synth_stack.inputs import source_files
from synth_stack.inputs.source_files import find_files


def test_links_binaries_and_large_files_are_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "MAX_FILE_BYTES", 1_000)
    folder, beyond = tmp_path / "docs", tmp_path / "beyond"
    folder.mkdir()
    beyond.mkdir()
    (beyond / "secret.md").write_text("secret")
    (folder / "a.md").write_text("Hello.")
    (folder / "large.md").write_text("x" * 2_000)
    (folder / "binary.txt").write_bytes(b"\0\1")
    (folder / "latin.txt").write_bytes("é".encode("latin-1"))
    (folder / "photo.jpg").write_bytes(b"\xff")
    (folder / "out").symlink_to(beyond)
    (folder / "secret.md").symlink_to(beyond / "secret.md")
    os.mkfifo(folder / "pipe.md")
    found = find_files([str(folder)])
    assert [file.name for file in found.files] == ["a.md"]
    assert dict(found.left_out) == {
        "large.md": "2,000 bytes, more than 1,000",
        "binary.txt": "binary",
        "latin.txt": "not UTF-8",
        "photo.jpg": "not a kind of file that is read",
        "out": "a link",
        "secret.md": "a link",
        "pipe.md": "not a plain file",
    }
    facts = open_library([str(folder)], None).facts
    assert (facts["files"], facts["left_out"], len(facts["left_out_first"])) == (1, 7, 7)


def test_a_file_that_is_named_and_cannot_be_used_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("x" * 2_000)
    monkeypatch.setattr(source_files, "MAX_FILE_BYTES", 1_000)
    with pytest.raises(InputError, match="more than 1,000"):
        find_files([str(tmp_path / "a.md")])
    monkeypatch.setattr(source_files, "MAX_FILE_BYTES", 10_000)
    monkeypatch.setattr(source_files, "MAX_PROSE_BYTES", 1_000)
    with pytest.raises(InputError, match="too large"):
        find_files([str(tmp_path)])
    with pytest.raises(InputError, match="not installed"):
        find_files(["package:no_such_package_here"])


def test_packages_are_read_and_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "poison"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import find\nraise SystemExit('it was imported')\n")
    (package / "inner.py").write_text("def find(name): ...\n")
    (package / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    monkeypatch.syspath_prepend(str(tmp_path))
    python = open_library(["package:poison"], None).python
    assert python is not None
    found = python.find("poison.find")
    assert not isinstance(found, str)
    assert found.sort == "function"
    assert python.find("poison.lose") == "missing"
    assert python.find("poison.fast.anything") == "unseen"
