"""Licences and commits are read from files alone."""

from pathlib import Path

import pytest

from synth_stack.generators.code.licences import MAX_LICENCE_BYTES, read_commit, read_header, read_licence

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007", "LGPL-3.0"),
        ("Mozilla Public License Version 2.0", "MPL-2.0"),
        ("Redistribution and use in source and binary forms ... Neither the name of", "BSD-3-Clause"),
        ("Redistribution and use in source and binary forms, with or without", "BSD-2-Clause"),
        ("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2", "PSF-2.0"),
        ("All rights reserved. Ask us.", "NOASSERTION"),
    ],
)
def test_a_licence_file_is_known_by_its_own_words(tmp_path: Path, text: str, spdx: str) -> None:
    (tmp_path / "LICENSE.md").write_text(text)
    assert read_licence(tmp_path) == (spdx, "LICENSE.md")


def test_a_licence_file_that_is_a_link_or_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("x" * (MAX_LICENCE_BYTES + 1))
    (tmp_path / "COPYING").symlink_to("/etc/passwd")
    assert read_licence(tmp_path) is None


def test_a_header_counts_at_the_head_of_a_file_alone() -> None:
    assert read_header("# SPDX-License-Identifier: MIT OR Apache-2.0\nx = 1") == "MIT OR Apache-2.0"
    assert read_header("x = 1\n" * 1_000 + "# SPDX-License-Identifier: MIT") is None


def write_git(folder: Path, head: str, **refs: str) -> None:
    (folder / ".git" / "refs" / "heads").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text(head)
    for name, value in refs.items():
        (folder / ".git" / "refs" / "heads" / name).write_text(value)


def test_the_commit_of_a_branch_a_detached_head_and_a_packed_ref_is_read(tmp_path: Path) -> None:
    write_git(tmp_path / "a", "ref: refs/heads/main\n", main=f"{COMMIT}\n")
    write_git(tmp_path / "b", f"{COMMIT}\n")
    write_git(tmp_path / "c", "ref: refs/heads/main\n")
    (tmp_path / "c" / ".git" / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert [read_commit(tmp_path / name) for name in "abc"] == [COMMIT] * 3


def test_no_path_leads_out_of_the_checkout_and_nothing_but_a_commit_is_taken(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(COMMIT)
    write_git(tmp_path / "a", "ref: refs/../../secret\n")
    write_git(tmp_path / "b", "ref: refs/heads/main\n", main="password\n")
    write_git(tmp_path / "c", "ref: refs/heads/main\n")
    (tmp_path / "c" / ".git" / "refs" / "heads" / "main").symlink_to(tmp_path / "secret")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / ".git").write_text("gitdir: /elsewhere\n")
    assert [read_commit(tmp_path / name) for name in "abcde"] == [None] * 5
