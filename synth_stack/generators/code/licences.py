"""Where code comes from: the licence that a file is under and the commit of a checkout.

Nothing of a checkout is run, git least of all: its configuration may name programs. Files of unknown licence
say NOASSERTION, as SPDX has it.
"""

import re
from pathlib import Path

UNKNOWN = "NOASSERTION"
MAX_LICENCE_BYTES = 200_000
"""Of a licence file, or a file of .git, that is read."""

_HEAD_CHARS = 4_000
_NAMES = ("LICENSE", "LICENCE", "COPYING", "UNLICENSE")
_SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+() -]{1,100})")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"ref: (refs/[\w./-]{1,200})")
_WORDINGS = (
    ("Apache-2.0", "apache license version 2.0"),
    ("LGPL-3.0", "gnu lesser general public license version 3"),
    ("LGPL-2.1", "gnu lesser general public license version 2.1"),
    ("AGPL-3.0", "gnu affero general public license version 3"),
    ("GPL-3.0", "gnu general public license version 3"),
    ("GPL-2.0", "gnu general public license version 2"),
    ("MPL-2.0", "mozilla public license version 2.0"),
    ("PSF-2.0", "python software foundation license version 2"),
    ("CC0-1.0", "cc0 1.0 universal"),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("ISC", "permission to use, copy, modify, and/or distribute this software for any purpose"),
    ("BSD-3-Clause", "neither the name of"),
    ("BSD-2-Clause", "redistribution and use in source and binary forms"),
    ("MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"),
)
"""A phrase of each licence's own text, in lower case, the stricter licence before the laxer."""


def read_header(text: str) -> str | None:
    """The SPDX id in the header of a source file (https://spdx.dev/ids), where it has one."""
    found = _SPDX.search(text[:_HEAD_CHARS])
    return found[1].strip() if found else None


def read_licence(folder: Path) -> tuple[str, str] | None:
    """The SPDX id and the name of the folder's own licence file; None where it has none."""
    for name in _NAMES:
        for path in sorted(folder.glob(f"{name}*")):
            text = _read_text(path)
            if text:
                words = " ".join(re.findall(r"[\w.,/-]+", text.lower()))
                plain = words.replace("license, version", "license version")
                known = (spdx for spdx, phrase in _WORDINGS if phrase in plain)
                return next(known, UNKNOWN), path.name
    return None


def read_commit(root: Path) -> str | None:
    """The commit that is checked out in `root`, or None where it is no plain Git checkout."""
    git = root / ".git"
    head = _read_line(git / "HEAD")
    ref = _REF.fullmatch(head)
    if ref is None:
        return head if _COMMIT.fullmatch(head) else None
    if ".." in ref[1].split("/"):
        return None
    commit = _read_line(git / ref[1]) or _find_packed(git, ref[1])
    return commit if _COMMIT.fullmatch(commit) else None


def _find_packed(git: Path, ref: str) -> str:
    lines = _read_text(git / "packed-refs").splitlines()
    return next((line.split(" ")[0] for line in lines if line.endswith(f" {ref}")), "")


def _read_line(path: Path) -> str:
    """The first line of a small file, or nothing."""
    return _read_text(path).split("\n")[0].strip()


def _read_text(path: Path) -> str:
    """A small file, or nothing where it is none; a link is not followed, a pipe not opened."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_LICENCE_BYTES:
            return ""
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
