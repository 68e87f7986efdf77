"""Rows by which somebody replaced others of a judged folder: written down first, then put in their places.

    candidates/.replacing.parquet                the rows of one call, until the folder is ready to judge them
    candidates/part-amended-by-person-*.parquet  the rows of every call, in the order of the calls
    verdicts/<by>/part-replaced-*.parquet        the verdict on each row that one of them stands for

The first file is the commit: a process that is killed after it has been written leaves everything that the
next one needs, and before it nothing.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import StoreError
from synth_stack.files import read_table, write_table
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_verdicts
from synth_stack.runs.folder import REPLACED_PREFIX, list_replaced

_JOURNAL = ".replacing.parquet"
_BY, _REASON = b"synth_stack.by", b"synth_stack.reason"


def begin_replacing(folder: Path, rows: pa.Table, *, by: str, reason: str) -> None:
    """Write down that the rows replace those that their `parent_id` names, on the word of `by`."""
    said = {_BY: by.encode(), _REASON: reason.encode()}
    write_table(folder / "candidates" / _JOURNAL, rows.replace_schema_metadata(said))


def put_replaced(folder: Path) -> bool:
    """Put the rows that were written down in their places, with the verdicts on those that they replace.

    False where none were; the same again after a kill. Raises StoreError for a file that cannot be read.
    """
    path = folder / "candidates" / _JOURNAL
    if not path.exists():
        return False
    written = read_table(path, CANDIDATE_SCHEMA)
    said = written.schema.metadata or {}
    if _BY not in said or _REASON not in said:
        raise StoreError(f"{path} does not say who replaces rows, and why")
    rows = written.replace_schema_metadata(None)
    number = find_replaced(folder, rows)
    number = len(list_replaced(folder / "candidates")) if number is None else number
    by = said[_BY].decode()
    write_table(folder / "candidates" / f"{REPLACED_PREFIX}{number:05d}.parquet", rows)
    verdicts = folder / "verdicts" / by / f"part-replaced-{number:05d}.parquet"
    write_table(verdicts, _reject_parents(rows, by, said[_REASON].decode()))
    return True


def end_replacing(folder: Path) -> None:
    """Forget what was written down: the folder is ready to be judged with it."""
    (folder / "candidates" / _JOURNAL).unlink(missing_ok=True)


def is_replacing(folder: Path, rows: pa.Table | None = None) -> bool:
    """Whether rows are written down and not yet judged: any, or just these."""
    path = folder / "candidates" / _JOURNAL
    return path.exists() and (rows is None or _are_same(path, rows))


def read_replacing(folder: Path) -> pa.Table | None:
    """The rows that are written down and not yet judged; None where there are none. Raises StoreError."""
    path = folder / "candidates" / _JOURNAL
    return read_table(path, CANDIDATE_SCHEMA).replace_schema_metadata(None) if path.exists() else None


def find_replaced(folder: Path, rows: pa.Table) -> int | None:
    """The number of the part that holds these rows, in this order; None where none does."""
    parts = list_replaced(folder / "candidates")
    return next((number for number, part in enumerate(parts) if _are_same(part, rows)), None)


def read_replaced_ids(folder: Path) -> pa.Array:
    """The ids of the rows that somebody replaced."""
    parts = list_replaced(folder / "candidates")
    ids = [read_table(part, columns=["parent_id"])["parent_id"] for part in parts]
    return pa.chunked_array(ids, pa.string()).combine_chunks() if ids else pa.array([], pa.string())


def _are_same(part: Path, rows: pa.Table) -> bool:
    return bool(read_table(part, columns=["row_id"])["row_id"].equals(rows["row_id"]))


def _reject_parents(rows: pa.Table, by: str, reason: str) -> pa.Table:
    ids = rows["row_id"].to_pylist()
    parents = pc.cast(rows["parent_id"], pa.string())
    return build_verdicts(
        parents,
        by,
        ["reject"] * len(ids),
        reasons=[reason] * len(ids),
        reason_classes=[f"{by}.replaced"] * len(ids),
        evidence=[canonical_text({"replaced_by": row_id}) for row_id in ids],
    )
