"""The files of sources, found within bounds: no links are followed, nothing is run, what is not read is
listed.
"""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth_stack.errors import InputError
from synth_stack.rows.canonical import Digest, digest_bytes, digest_json

MAX_FILE_BYTES = 20_000_000
"""A manual of a thousand pages is a fifth of it. A larger file is data, not documentation."""
MAX_PROSE_BYTES = 30_000_000
"""About 180,000 sentences, which take a minute and 1.2 GB to read (measured on Wikipedia's passages)."""
MAX_CODE_BYTES = 60_000_000
"""The largest frameworks have 50 MB of Python. Syntax trees are read file by file and let go."""
MAX_FILES = 20_000
_MAX_DEPTH = 20

PROSE = frozenset({".md", ".markdown", ".rst", ".txt", ".text", ".html", ".htm", ".pdf"})
RECORDS = frozenset({".jsonl", ".ndjson"})
SPECS = frozenset({".yaml", ".yml", ".json"})
CODE = frozenset({".py", ".pyi"})
KNOWN = PROSE | RECORDS | SPECS | CODE
_COMPILED = frozenset({".so", ".pyd", ".dylib"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a source: `name` is its path within the source, `module` its dotted name if it is Python."""

    name: str
    path: Path
    data: bytes
    module: str | None = None


@dataclass(slots=True)
class FoundFiles:
    """The files that were read, in order; `left_out` says of each other one why; `compiled` modules have no
    text.
    """

    files: list[SourceFile] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    compiled: list[str] = field(default_factory=list)
    prose_bytes: int = 0
    code_bytes: int = 0

    @property
    def digest(self) -> Digest:
        """Over names and bytes of what was read."""
        return digest_json([[file.name, digest_bytes(file.data)] for file in self.files])


def find_files(sources: Sequence[str]) -> FoundFiles:
    """The files of each source in order: a file, a folder, or `package:<name>`, an installed Python package.

    Raises InputError for a source that is not there, a file named directly that can't be read as one, and
    more than MAX_FILES, MAX_PROSE_BYTES or MAX_CODE_BYTES.
    """
    found = FoundFiles()
    for source in sources:
        if source.startswith("package:"):
            _add_package(found, source)
            continue
        path = Path(source)
        if path.is_dir():
            _add_folder(found, path, _read_package_name(path))
        elif path.is_file():
            why = _add_file(found, path, path.name, path.stem)
            if why is not None:
                raise InputError(f"source {source} cannot be used: {why}", mend="Name another file.")
        else:
            raise InputError(f"source {source} is not there", mend="Check the path.")
    return found


def _add_package(found: FoundFiles, source: str) -> None:
    name = source.removeprefix("package:")
    spec = (
        importlib.util.find_spec(name) if name.isidentifier() else None
    )  # a name without dots is not imported
    if spec is None:
        raise InputError(f"source {source} is not installed", mend=f"Run: pip install {name}")
    places = list(spec.submodule_search_locations or ())
    if places:
        for place in places:
            _add_folder(found, Path(place), name)
            stubs = Path(place).with_name(f"{name}-stubs")
            if stubs.is_dir():
                _add_folder(found, stubs, name)
    elif spec.origin is not None and Path(spec.origin).suffix in CODE:
        _add_file(found, Path(spec.origin), Path(spec.origin).name, name)
    else:
        raise InputError(f"source {source} has no text to read", seen=spec.origin or "built in")


def _read_package_name(folder: Path) -> str | None:
    """The dotted name of a folder that is a Python package, else None."""
    names: list[str] = []
    while (folder / "__init__.py").is_file() or (folder / "__init__.pyi").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names) or None


def _add_folder(found: FoundFiles, folder: Path, package: str | None) -> None:
    for path, name in _walk(found, folder):
        parts = list(Path(name).with_suffix("").parts)
        if path.suffix in _COMPILED:
            module = path.name.partition(".")[0]
            found.compiled.append(".".join([*([package] if package else []), *parts[:-1], module]))
            continue
        if parts[-1] == "__init__":
            parts = parts[:-1]
        module = ".".join([*([package] if package else []), *parts])
        why = _add_file(found, path, name, module)
        if why is not None:
            found.left_out.append((name, why))


def _walk(found: FoundFiles, folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file of a folder with its path in it, sorted; links and hidden folders are left out."""
    for place, folders, names in os.walk(folder, followlinks=False):
        inside = Path(place).relative_to(folder)
        folders[:] = sorted(
            n for n in folders if not n.startswith(".") and n not in {"__pycache__", "node_modules"}
        )
        if len(inside.parts) >= _MAX_DEPTH:
            folders.clear()
        for name in [*folders]:
            if (Path(place) / name).is_symlink():
                folders.remove(name)
                found.left_out.append(((inside / name).as_posix(), "a link"))
        for name in sorted(names):
            path, shown = Path(place) / name, (inside / name).as_posix()
            if path.is_symlink():
                found.left_out.append((shown, "a link"))
            elif not name.startswith(".") and path.suffix.lower() in KNOWN | _COMPILED:
                yield path, shown
            elif not name.startswith("."):
                found.left_out.append((shown, "not a kind of file that is read"))


def _add_file(found: FoundFiles, path: Path, name: str, module: str) -> str | None:
    """Why a file cannot be used; None where it was added."""
    suffix = path.suffix.lower()
    if suffix not in KNOWN:
        return "not a kind of file that is read"
    try:
        if not path.is_file():
            return "not a plain file"
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            return f"{size:,} bytes, more than {MAX_FILE_BYTES:,}"
        data = path.read_bytes()
    except OSError as exc:
        return exc.strerror or "not readable"
    if suffix != ".pdf" and (why := _find_binary(data)):
        return why
    if suffix in CODE:
        found.code_bytes += len(data)
    else:
        found.prose_bytes += len(data)
    too_large = found.prose_bytes > MAX_PROSE_BYTES or found.code_bytes > MAX_CODE_BYTES
    if len(found.files) >= MAX_FILES or too_large:
        raise InputError(
            "the sources are too large",
            seen=f"{len(found.files) + 1:,} files, {found.prose_bytes + found.code_bytes:,} bytes so far",
            allowed=f"{MAX_FILES:,} files, {MAX_PROSE_BYTES:,} bytes of prose, {MAX_CODE_BYTES:,} of Python",
            mend="Name the folders that answers are written from.",
        )
    found.files.append(SourceFile(name, path, data, module if suffix in CODE else None))
    return None


def _find_binary(data: bytes) -> str | None:
    if b"\0" in data:
        return "binary"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8"
    return None
