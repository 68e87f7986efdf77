"""What becomes of images by what fastdup says: the first of each group of copies stays."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.gates.gate import State
from synth_stack.gates.image_fastdup.engine import FastdupAnswer, ask_fastdup
from synth_stack.images.attached import ReadImage, list_attached, map_images
from synth_stack.images.planting import write_png
from synth_stack.text.fields import find_canaries, hash_ids

GATE = "image_fastdup"
MAX_SIDE = 512
"""Pixels of a side that fastdup is given at most: its network reads fewer."""
_SKETCH = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("row_id", pa.string()),
        pa.field("canary", pa.bool_()),
        pa.field("area", pa.int64()),
        pa.field("png", pa.binary()),
    ]
)
ROW_STATE = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("seen", pa.bool_()),
        pa.field("similarity", pa.float64()),
        pa.field("twin", pa.string()),
        pa.field("nearest", pa.float64()),
        pa.field("blur", pa.float64()),
        pa.field("mean", pa.float64()),
    ]
)
"""`similarity` is the greatest to an image that stays, `twin` that one where it is a copy; `nearest` that of
an outlier to any other; `blur` and `mean` are fastdup's own figures."""


def sketch_pixels(table: pa.Table, _: State, *, folder: Path | None) -> pa.Table:
    """The pixels of n rows, encoded anew and no larger than MAX_SIDE; an area of 0 where there are none."""
    seen = list(map_images(folder, list_attached(table), _encode))
    columns = [
        pa.array(hash_ids(table)),
        table["row_id"].combine_chunks().cast(pa.string()),
        pa.array(find_canaries(table)),
        pa.array([area for area, _ in seen], pa.int64()),
        pa.array([data for _, data in seen], pa.binary()),
    ]
    return pa.table(columns, schema=_SKETCH)


def _encode(read: ReadImage) -> tuple[int, bytes | None]:
    from PIL import Image

    if read.image is None:
        return 0, None
    picture = Image.fromarray(read.image.pixels)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return read.image.width * read.image.height, write_png(np.asarray(picture))


def decide_copies(sketches: Iterable[pa.Table], _: State, *, python: Path, threshold: float) -> State:
    """The state `rows`: what fastdup says of every row, sorted by the hash of its row_id.

    Pixels go to the disk as they come, and are not held in memory.
    """
    ids: list[int] = []
    names: list[str] = []
    planted: list[bool] = []
    areas: list[int] = []

    def list_images() -> Iterator[tuple[int, bytes]]:
        for sketch in sketches:
            start = len(ids)
            ids.extend(sketch["id"].to_pylist())
            names.extend(sketch["row_id"].to_pylist())
            planted.extend(sketch["canary"].to_pylist())
            areas.extend(sketch["area"].to_pylist())
            for place, data in enumerate(sketch["png"]):
                if data.is_valid:
                    yield start + place, data.as_py()

    answer = ask_fastdup(python, list_images())
    order = sorted(range(len(ids)), key=lambda row: (planted[row], -areas[row], ids[row]))
    twins, best = choose_twins(order, planted, answer, threshold)
    lines = [
        {
            "id": ids[row],
            "seen": areas[row] > 0,
            "similarity": best.get(row, 0.0),
            "twin": names[twins[row]] if row in twins else None,
            "nearest": answer.nearest.get(row),
            "blur": answer.stats[row][0] if row in answer.stats else None,
            "mean": answer.stats[row][1] if row in answer.stats else None,
        }
        for row in sorted(range(len(ids)), key=lambda row: ids[row])
    ]
    return {"rows": pa.Table.from_pylist(lines, ROW_STATE)}


def choose_twins(
    order: Sequence[int], planted: Sequence[bool], answer: FastdupAnswer, threshold: float
) -> tuple[dict[int, int], dict[int, float]]:
    """The twin of each row that is a copy, and the greatest similarity of each to a row that stays.

    Rows are settled in that order, each against those that stay and never against others. A planted row stays
    for none.
    """
    near: Mapping[int, dict[int, float]] = defaultdict(dict)
    for one, other, similarity in answer.pairs:
        if one != other:
            near[one][other] = near[other][one] = max(similarity, near[one].get(other, 0.0))
    stays: set[int] = set()
    twins: dict[int, int] = {}
    best: dict[int, float] = {}
    place = {row: number for number, row in enumerate(order)}
    for row in order:
        known = [
            (similarity, -place[other], other) for other, similarity in near[row].items() if other in stays
        ]
        similarity, _, other = max(known, default=(0.0, 0, row))
        best[row] = similarity
        if similarity > threshold:
            twins[row] = other
        elif not planted[row]:
            stays.add(row)
    return twins, best


def find_lines(state: State, table: pa.Table) -> list[dict[str, Any]]:
    """The lines of the state for the rows of a table, in order. Raises GateError for rows it has not seen."""
    if "rows" not in state:
        raise GateError(f"{GATE} was asked for verdicts before it saw the batch")
    ids, wanted = state["rows"]["id"].to_numpy(), hash_ids(table)
    place = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    if len(wanted) and not (len(ids) and (ids[place] == wanted).all()):
        raise GateError(f"{GATE} was asked for verdicts on rows that it had not seen")
    lines: list[dict[str, Any]] = state["rows"].take(pa.array(place)).to_pylist()
    return lines
