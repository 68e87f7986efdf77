"""The journal of generation: one committed file per batch, named after what it was made from."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from synth_stack.rows.canonical import digest_json


def batch_file(
    folder: Path, method: int, batch: int, items: Sequence[dict[str, Any]], *, round_: int | None = None
) -> Path:
    """The file of one batch: its place in the run, and the start of a digest of its items.

    A run that is made in rounds says the round first, so that a later one comes after it.
    """
    made_from = digest_json([to_json(item) for item in items])[:8]
    first = "" if round_ is None else f"{round_:03d}-"
    return folder / f"part-{first}{method:02d}-{batch:07d}-{made_from}.parquet"


def list_earlier(folder: Path, method: int, round_: int | None) -> list[Path]:
    """The files of a method's batches in the rounds before `round_`, in order; none of a run without any."""
    found = [folder.glob(f"part-{before:03d}-{method:02d}-*.parquet") for before in range(round_ or 0)]
    return [path for paths in found for path in sorted(paths)]


def copy_json(value: Any) -> Any:
    """A copy of `value` that shares nothing that can change; for plain JSON a tenth of deepcopy's time."""
    kind = type(value)
    if kind is dict:
        return {k: copy_json(v) for k, v in value.items()}
    if kind is list:
        return [copy_json(v) for v in value]
    return value if kind in _UNCHANGING else deepcopy(value)


_UNCHANGING = frozenset({str, int, float, bool, type(None)})


def to_json(value: Any) -> Any:
    """`value` as plain JSON that is written one way only; what JSON cannot say exactly becomes text."""
    if isinstance(value, dict):
        return {to_json(str(k)): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    return str(value).encode("utf-8", "replace").decode("utf-8")
