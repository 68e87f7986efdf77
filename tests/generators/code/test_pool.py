"""The pool of real code: what is in it, what is passed over and counted, where each function comes from."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import ConfigError, InputError
from synth_stack.generators.code.pool import CodePool, PoolSource, read_pool
from synth_stack.registry import bind
from synth_stack.rows.canonical import digest_bytes

DOUBLE = 'def double(x):\n    """Twice x."""\n    y = x\n    return y + y\n'
HALVE = "def halve(x):\n    y = x\n    y = y / 2\n    return y\n"
MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software"


def write_pool(folder: Path, files: dict[str, str | bytes]) -> PoolSource:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return PoolSource(path=str(folder), min_lines=3)


def list_functions(pool: CodePool) -> list[tuple[str, str]]:
    return [(piece.path, piece.snippet.function) for piece in pool.pieces]


def test_the_functions_of_a_folder_are_found_with_their_file_and_digests(tmp_path: Path) -> None:
    pool = read_pool(write_pool(tmp_path, {"b/two.py": HALVE, "a.py": DOUBLE}))
    assert list_functions(pool) == [("a.py", "double"), ("b/two.py", "halve")]
    assert pool.pieces[0].file_sha256 == digest_bytes(DOUBLE.encode())
    assert (pool.name, pool.files, pool.commit) == (tmp_path.name, 2, None)
    assert pool.facts["functions"] == pool.facts["runnable"] == 2


def test_what_cannot_be_read_is_passed_over_and_counted(tmp_path: Path) -> None:
    source = write_pool(
        tmp_path,
        {
            "good.py": DOUBLE,
            "binary.py": b"\x7fELF\xff\xfe",
            "nul.py": "a = '\0'",
            "huge.py": "#" * 200_001,
            "broken.py": "def f(:\n",
            "deep.py": "x = " + "-" * 90_000 + "1",
            "data.txt": DOUBLE,
            "tests/test_it.py": HALVE,
            ".hidden/h.py": HALVE,
            "site-packages/s.py": HALVE,
        },
    )
    pool = read_pool(source)
    assert list_functions(pool) == [("good.py", "double")]
    assert dict(pool.skipped) == {"binary or not UTF-8": 2, "not Python that parses": 2, "too large": 1}


def test_links_out_of_the_pool_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_pool(outside, {"secret.py": HALVE})
    source = write_pool(tmp_path / "pool", {"good.py": DOUBLE})
    (tmp_path / "pool" / "link.py").symlink_to(outside / "secret.py")
    (tmp_path / "pool" / "folder").symlink_to(outside)
    (tmp_path / "pool" / "inside.py").symlink_to("good.py")
    (tmp_path / "pool" / "loop.py").symlink_to("loop.py")
    pool = read_pool(source)
    assert {function for _, function in list_functions(pool)} == {"double"}
    assert dict(pool.skipped) == {"a link out of the pool": 1}


def test_a_name_that_is_no_utf8_does_not_break_the_record(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.py")).write_text(DOUBLE)
    [piece] = read_pool(PoolSource(path=str(tmp_path), min_lines=3)).pieces
    assert piece.path == "\N{REPLACEMENT CHARACTER}.py"


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    source = write_pool(tmp_path, {"good.py": DOUBLE})
    os.mkfifo(tmp_path / "pipe.py")
    assert list_functions(read_pool(source)) == [("good.py", "double")]


@pytest.mark.parametrize(
    ("files", "seen"),
    [
        ({}, "0 Python files"),
        ({"notes.txt": "hello"}, "0 Python files"),
        ({"a.py": b"\xff\xfe"}, "1 Python files, of them 1 binary or not UTF-8"),
        ({"a.py": "#" * 200_001}, "1 Python files, of them 1 too large"),
        ({"a.py": "x = 1\n"}, "1 Python files"),
    ],
)
def test_a_pool_without_a_function_to_show_is_refused_in_one_sentence(
    tmp_path: Path, files: dict[str, str | bytes], seen: str
) -> None:
    with pytest.raises(InputError, match="holds no function of 3 to 40 lines") as caught:
        read_pool(write_pool(tmp_path, files))
    assert caught.value.seen == seen
    assert "\n" not in str(caught.value)


def test_a_pool_that_is_not_there_or_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text(DOUBLE)
    for path in ("nowhere", "file.py"):
        with pytest.raises(InputError, match="is not a folder"):
            read_pool(PoolSource(path=str(tmp_path / path)))


def test_a_changed_file_is_another_pool_and_a_moved_pool_is_the_same(tmp_path: Path) -> None:
    first = read_pool(write_pool(tmp_path / "one", {"a.py": DOUBLE}))
    moved = read_pool(write_pool(tmp_path / "two", {"a.py": DOUBLE}))
    changed = read_pool(write_pool(tmp_path / "one", {"a.py": DOUBLE.replace("Twice", "Doubled")}))
    assert first.digest == moved.digest != changed.digest


def test_a_function_that_was_copied_about_stands_in_the_pool_once(tmp_path: Path) -> None:
    pool = read_pool(write_pool(tmp_path, {"a.py": DOUBLE, "b.py": DOUBLE}))
    assert list_functions(pool) == [("a.py", "double")]


def test_of_too_many_files_the_same_ones_are_taken_each_time(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"m{k}.py": DOUBLE.replace("double", f"double{k}") for k in range(20)}
    source = write_pool(tmp_path, files).model_copy(update={"max_files": 5})
    pool = read_pool(source)
    assert len(pool.pieces) == pool.files == 5
    assert pool == read_pool(source)


def test_a_licence_is_the_files_own_or_that_of_the_nearest_folder(tmp_path: Path) -> None:
    source = write_pool(
        tmp_path,
        {
            "LICENSE": MIT,
            "a.py": DOUBLE,
            "b.py": "# SPDX-License-Identifier: Apache-2.0\n" + HALVE,
            "vendored/COPYING.txt": "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007",
            "vendored/deep/c.py": HALVE.replace("halve", "third"),
        },
    )
    found = {
        piece.snippet.function: (piece.licence, piece.licence_from) for piece in read_pool(source).pieces
    }
    assert found == {
        "double": ("MIT", "LICENSE"),
        "halve": ("Apache-2.0", "its own header"),
        "third": ("GPL-3.0", "COPYING.txt"),
    }
    allowed = read_pool(source.model_copy(update={"licences": ("MIT", "Apache-2.0")}))
    assert {piece.snippet.function for piece in allowed.pieces} == {"double", "halve"}
    assert dict(allowed.skipped) == {"another licence": 1}


def test_code_without_a_licence_says_so(tmp_path: Path) -> None:
    [piece] = read_pool(write_pool(tmp_path, {"a.py": DOUBLE})).pieces
    assert (piece.licence, piece.licence_from) == ("NOASSERTION", "no licence file")


def test_the_default_pool_is_the_running_interpreters_own_library() -> None:
    pool = read_pool(PoolSource())
    assert len(pool.pieces) > 1_000
    assert pool.facts["runnable"] > 100
    assert {"PSF-2.0"} <= set(pool.facts["licences"])
    assert not any("/test/" in piece.path or "site-packages" in piece.path for piece in pool.pieces)


@pytest.mark.parametrize(
    "pool",
    [
        {"min_lines": 1},
        {"min_lines": 9, "max_lines": 8},
        {"max_files": 0},
        {"folder": "x"},
        {"path": 3},
        {"path": ""},
        "x",
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(pool: Any) -> None:
    with pytest.raises(ConfigError):
        bind("generator", "oss_instruct", {"pool": pool}, where="recipe r: generate.methods[0]")


def test_licences_are_read_from_a_file_as_a_list() -> None:
    bound = bind("generator", "refactor", {"pool": {"licences": ["MIT"]}}, where="r")
    assert json.loads(json.dumps(dict(bound.params)))["pool"]["licences"] == ["MIT"]
