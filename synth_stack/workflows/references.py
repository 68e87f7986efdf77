"""Reference rows: what a data set must not copy and that is no exam, as indexes without texts."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth_stack.errors import ConfigError, InputError
from synth_stack.files import write_table
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.foreign import open_dataset, read_candidates
from synth_stack.inputs.gate_file import load_gates
from synth_stack.registry import bind, registered
from synth_stack.runs.folder import LOCK, MANIFEST

REFERENCES = "references"
"""In the folder of an audit: an index a gate and reference, which holds hashes of rows and no text."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Reference:
    """Rows to compare with under a name: a path, or whatever else a data set is read from."""

    name: str
    path: str


def parse_reference(text: str) -> Reference:
    """The reference that `NAME=PATH` names. Raises ConfigError."""
    name, equals, path = text.partition("=")
    if not equals or not path or not _NAME.fullmatch(name):
        raise ConfigError(
            "reference rows are named as NAME=PATH",
            seen=text,
            mend="A name is of letters, digits, dots, dashes and underscores.",
        )
    return Reference(name, path)


@contextmanager
def index_references(
    references: Sequence[Reference], gates: str | Path, source: Any, folder: Path
) -> Iterator[dict[str, list[Path]]]:
    """An index of each of the references for each gate of the file that compares with other rows, by gate.

    They lie in a hidden folder beside `folder` until the block ends. Raises ConfigError for a name that
    stands twice, for the data set itself, and where no gate compares; InputError for what is not there or
    has no row to compare with.
    """
    if not references:
        yield {}
        return
    file = load_gates(gates)
    load_extensions(file.load, folder=file.folder)
    takers = {name: entry for name, entry in registered("gate").items() if entry.references and entry.index}
    uses = [use for use in file.gates if use.use in takers]
    _check(references, source, can_compare=bool(uses), file=file.name, taker=min(takers))
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        made: dict[str, list[Path]] = {}
        for reference in references:
            rows = _find_rows(reference, work / "rows" / reference.name)
            for use in uses:
                params = bind("gate", use.use, use.params, where=file.name, folder=file.folder).params
                index = takers[use.use].index
                out = work / REFERENCES / use.use / f"{reference.name}.parquet"
                out.parent.mkdir(parents=True, exist_ok=True)
                if index is None or not index([(reference.name, rows)], params, out):
                    raise InputError(f"reference {reference.name}: it has no row to compare with")
                made.setdefault(use.use, []).append(out)
            shutil.rmtree(work / "rows", ignore_errors=True)
        yield made
    finally:
        shutil.rmtree(work, ignore_errors=True)


def keep_references(made: dict[str, list[Path]], folder: Path) -> dict[str, list[Path]]:
    """The indexes in the folder of an audit, where its plan finds them again."""
    kept: dict[str, list[Path]] = {}
    for gate, paths in made.items():
        target = folder / REFERENCES / gate
        target.mkdir(parents=True, exist_ok=True)
        kept[gate] = [path.replace(target / path.name) for path in paths]
    return kept


def _check(references: Sequence[Reference], source: Any, *, can_compare: bool, file: str, taker: str) -> None:
    names = [reference.name for reference in references]
    if not can_compare:
        raise ConfigError(
            f"{file}: reference rows are named and no gate compares with them",
            seen=", ".join(names),
            mend=f"Add `- use: {taker}` to the gate file.",
        )
    for reference in references:
        if names.count(reference.name) > 1:
            raise ConfigError("every reference has a name of its own", seen=reference.name)
        if isinstance(source, str | Path) and Path(source).resolve() == Path(reference.path).resolve():
            raise ConfigError(
                f"reference {reference.name} is the data set itself: each row would be a copy of itself",
                seen=reference.path,
                mend="Copies inside of a data set are found without a reference.",
            )


def _find_rows(reference: Reference, into: Path) -> Path:
    """What an index can be made of: a pack, a run or an index as it is, else the rows read into a folder."""
    path = Path(reference.path)
    if any((path / name).is_file() for name in (LOCK, MANIFEST)) or _is_index(path):
        return path
    try:
        dataset = open_dataset(reference.path)
        for number, table in enumerate(read_candidates(dataset)):
            write_table(into / "accepted" / f"part-{number:05d}.parquet", table)
    except InputError as exc:
        raise InputError(f"reference {reference.name}: {exc}") from exc
    if not into.is_dir():
        raise InputError(f"reference {reference.name}: it has no row to compare with")
    return into


def _is_index(path: Path) -> bool:
    if path.suffix != ".parquet" or not path.is_file():
        return False
    try:
        return b"synth_stack" in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        return False
