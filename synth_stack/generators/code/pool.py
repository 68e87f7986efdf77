"""The pool of real code that code pairs start from: a folder of Python, read and never run.

Which functions are in a pool is a pure function of its files and of what was asked for: a pool has a digest,
and a draw from it can be made again.
"""

import os
import platform
import sysconfig
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from synth_stack.errors import InputError
from synth_stack.generators.code.languages import SUFFIXES, LanguageName, find_language
from synth_stack.generators.code.licences import UNKNOWN, read_commit, read_header, read_licence
from synth_stack.generators.code.snippets import Snippet, cut_lines, find_snippets
from synth_stack.registry import FilePath
from synth_stack.rows.canonical import Digest, digest_bytes, digest_json
from synth_stack.rows.code_pairs import PYTHON

_NOT_SOURCE = frozenset("test tests testing idlelib lib2to3 turtledemo site-packages dist-packages".split())
"""Folders of tests, of programs with windows, and of what was installed: not code to show a reader."""
_STANDARD_LIBRARY_LICENCE = ("PSF-2.0", "the interpreter")
_BINARY, _UNPARSABLE, _LARGE = "binary or not UTF-8", "not Python that parses", "too large"
_LINK, _LICENCE, _UNREADABLE = "a link out of the pool", "another licence", "not readable"

_Stamp = tuple[Path, int, int]
"""A file with its size and its time of change."""


def _freeze(value: Any) -> Any:
    """A list as a tuple, so that the source can be a key."""
    return tuple(value) if isinstance(value, list) else value


class PoolSource(BaseModel):
    """Which code: a folder (the running interpreter's standard library without one), and how much of it.

    Functions of `min_lines` to `max_lines` lines, from at most `max_files` files, taken by the digest of
    their path where there are more: so many are read in seconds. Larger files than `max_file_bytes` are
    generated ones. `licences` are the SPDX ids that may be drawn from; any, without it.
    With `snippets: lines` what is drawn are 1 to 15 lines anywhere in files of `languages` (all that are
    known, without it).
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    path: FilePath | None = None
    min_lines: Annotated[int, Field(ge=2, le=1_000)] = 5
    max_lines: Annotated[int, Field(ge=2, le=1_000)] = 40
    max_files: Annotated[int, Field(ge=1, le=100_000)] = 300
    max_file_bytes: Annotated[int, Field(ge=100, le=2_000_000)] = 200_000
    licences: Annotated[tuple[str, ...] | None, BeforeValidator(_freeze)] = None
    snippets: Literal["functions", "lines"] = "functions"
    languages: Annotated[tuple[LanguageName, ...] | None, BeforeValidator(_freeze)] = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_lines > self.max_lines:
            raise ValueError("min_lines is above max_lines")
        if self.languages is not None and self.snippets == "functions":
            raise ValueError("languages needs snippets: lines; functions are those of Python")
        return self

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the names of the files that are read end."""
        if self.snippets == "functions":
            return SUFFIXES[PYTHON]
        return tuple(suffix for name in self.languages or SUFFIXES for suffix in SUFFIXES[name])


@dataclass(frozen=True, slots=True)
class Piece:
    """A function of the pool and where it comes from; `path` is relative to the pool.

    `sha256` is that of the function, `file_sha256` of the file that it stands in.
    """

    snippet: Snippet
    path: str
    file_sha256: Digest
    licence: str
    licence_from: str
    language: str = PYTHON

    @property
    def sha256(self) -> Digest:
        """The digest of the function's text."""
        return digest_bytes(self.snippet.source.encode())


@dataclass(frozen=True)
class CodePool:
    """The functions of a pool in order. `skipped` counts files that were passed over, by why."""

    name: str
    commit: str | None
    pieces: tuple[Piece, ...]
    files: int
    skipped: Mapping[str, int]

    @cached_property
    def digest(self) -> Digest:
        """The digest of every function that can be drawn, with its place."""
        return digest_json([[piece.path, piece.snippet.line, piece.sha256] for piece in self.pieces])

    @property
    def facts(self) -> dict[str, Any]:
        """What was found, for the record."""
        licences = Counter(piece.licence for piece in self.pieces)
        return {
            "name": self.name,
            "commit": self.commit,
            "sha256": self.digest,
            "files": self.files,
            "functions": len(self.pieces),
            "runnable": sum(piece.snippet.prelude is not None for piece in self.pieces),
            "licences": dict(sorted(licences.items())),
            "languages": dict(sorted(Counter(piece.language for piece in self.pieces).items())),
            "skipped": dict(self.skipped),
        }


def read_pool(source: PoolSource) -> CodePool:
    """The pool that `source` names. Raises InputError when it is not there or holds no function to show."""
    root = Path(source.path or sysconfig.get_path("stdlib"))
    if not root.is_dir():
        raise InputError(f"the code pool {root} is not a folder", mend="Check pool.path.")
    files, links = _list_files(root.resolve(), source)
    stamps = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in files)
    return _read_files(source, root.resolve(), stamps, links)


def _list_files(root: Path, source: PoolSource) -> tuple[list[tuple[Path, os.stat_result]], int]:
    """The files that are read, in order of their paths, and how many links lead out of the pool."""
    found: list[Path] = []
    links = 0
    for folder, folders, names in os.walk(root):
        folders[:] = [n for n in folders if not n.startswith((".", "__")) and n not in _NOT_SOURCE]
        for path in (Path(folder, name) for name in names if name.endswith(source.suffixes)):
            if Path(os.path.realpath(path)).is_relative_to(root):  # resolve() raises for a loop of links
                found.append(path)
            else:
                links += 1
    if len(found) > source.max_files:
        found = sorted(found, key=lambda path: digest_bytes(os.fsencode(path.relative_to(root))))
    regular = (path for path in found[: source.max_files] if path.is_file())  # no pipes, no devices
    return sorted(((path, path.stat()) for path in regular), key=lambda file: file[0]), links


@lru_cache(maxsize=4)
def _read_files(source: PoolSource, root: Path, stamps: tuple[_Stamp, ...], links: int) -> CodePool:
    """The pool of these files; read once for as long as none of them changes its size or time."""
    skipped: Counter[str] = Counter({_LINK: links} if links else {})
    licences: dict[Path, tuple[str, str]] = {}
    pieces: list[Piece] = []
    for path, size, _ in stamps:
        read = _LARGE if size > source.max_file_bytes else _read_file(path)
        if isinstance(read, str):
            skipped[read] += 1
            continue
        text, sha256 = read
        header = read_header(text)
        licence, where = (header, "its own header") if header else _find_licence(path.parent, root, licences)
        if source.path is None and not header:
            licence, where = _STANDARD_LIBRARY_LICENCE
        if source.licences is not None and licence not in source.licences:
            skipped[_LICENCE] += 1
            continue
        language = find_language(path.name) or PYTHON
        try:
            snippets = _cut(text, sha256, source)
        except (SyntaxError, RecursionError):
            skipped[_UNPARSABLE] += 1
            continue
        place = os.fsencode(path.relative_to(root)).decode("utf-8", "replace")
        pieces += [Piece(snippet, place, sha256, licence, where, language) for snippet in snippets]
    return _finish(source, root, pieces, len(stamps), skipped)


def _cut(text: str, sha256: Digest, source: PoolSource) -> list[Snippet]:
    """What is shown of a file: its functions, or lines of it. Raises SyntaxError for what is no Python."""
    if source.snippets == "lines":
        return cut_lines(text, sha256)
    return find_snippets(text, min_lines=source.min_lines, max_lines=source.max_lines)


def _finish(
    source: PoolSource, root: Path, pieces: list[Piece], files: int, skipped: Counter[str]
) -> CodePool:
    if not pieces:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        raise InputError(
            f"the code pool {root} holds no line of code"
            if source.snippets == "lines"
            else f"the code pool {root} holds no function of {source.min_lines} to {source.max_lines} lines",
            seen=f"{files} {'source' if source.snippets == 'lines' else 'Python'} files"
            + (f", of them {why}" if why else ""),
            mend="Name a folder with source in pool.path."
            if source.snippets == "lines"
            else "Name a folder with Python source in pool.path.",
        )
    name = root.name if source.path else f"{platform.python_implementation()} {platform.python_version()}"
    unique: dict[str, Piece] = {}  # a function that was copied about is drawn as if it stood once
    for piece in pieces:
        unique.setdefault(piece.snippet.source, piece)
    return CodePool(name, read_commit(root), tuple(unique.values()), files, dict(sorted(skipped.items())))


def _find_licence(folder: Path, root: Path, known: dict[Path, tuple[str, str]]) -> tuple[str, str]:
    """The licence of the nearest licence file from `folder` up to `root`; `known` remembers."""
    if folder not in known:
        found = read_licence(folder)
        if found is None:
            found = (
                (UNKNOWN, "no licence file") if folder == root else _find_licence(folder.parent, root, known)
            )
        known[folder] = found
    return known[folder]


def _read_file(path: Path) -> tuple[str, Digest] | str:
    """The text and digest of a file, or why there is none."""
    try:
        data = path.read_bytes()
    except OSError:
        return _UNREADABLE
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _BINARY
    return _BINARY if "\0" in text else (text.replace("\r\n", "\n"), digest_bytes(data))
