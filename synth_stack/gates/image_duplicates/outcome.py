"""What becomes of each image of a batch: tables are sketched as thumbnails, and merged into twins of rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.gates.gate import State
from synth_stack.gates.image_duplicates.alignment import has_detail
from synth_stack.gates.image_duplicates.greedy_star import ImageBatch, KnownImages, find_twins
from synth_stack.gates.image_duplicates.image_sets import NamedImages
from synth_stack.gates.image_duplicates.perceptual_hash import SIDE, Thumbnails
from synth_stack.images.attached import list_attached
from synth_stack.images.looks import ReadLook, Thumbnail, map_looks
from synth_stack.text.fields import find_canaries, hash_ids

_ROW_STATE = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("seen", pa.bool_()),
        pa.field("told", pa.bool_()),
        pa.field("likeness", pa.float32()),
        pa.field("twin", pa.string()),
        pa.field("set", pa.int32()),
        pa.field("orientation", pa.uint8()),
        pa.field("window", pa.uint8()),
        pa.field("within", pa.bool_()),
    ]
)
"""`twin` is a row_id, or the item of set `set`; both are null for a row that is kept."""


_NOTHING = np.zeros((SIDE, SIDE), np.uint8)


@dataclass(frozen=True, slots=True)
class SeenImage:
    """Of one image: its thumbnail (SIDE, SIDE), the first 8 bytes of the digest of its pixels, and how many
    there are; an area of 0 for one that cannot be decoded.
    """

    thumbnail: Thumbnail
    digest: int
    area: int


def _see(read: ReadLook) -> SeenImage:
    look = read.look
    if look is None:
        return SeenImage(_NOTHING, 0, 0)
    return SeenImage(look.thumbnail, int(look.pixels_sha256[:16], 16), look.width * look.height)


def sketch_thumbnails(table: pa.Table, _: State, *, folder: Path | None) -> pa.Table:
    """The thumbnails of n rows, with what tells the rows apart: 4 KB a row."""
    seen = [_see(read) for read in map_looks(folder, list_attached(table))]
    flat = np.stack([each.thumbnail for each in seen]).ravel() if seen else np.zeros(0, np.uint8)
    return pa.table(
        {
            "thumbnail": pa.FixedSizeListArray.from_arrays(pa.array(flat), SIDE * SIDE),
            "digest": pa.array([each.digest for each in seen], pa.uint64()),
            "area": pa.array([each.area for each in seen], pa.int64()),
            "id": pa.array(hash_ids(table)),
            "canary": pa.array(find_canaries(table)),
            "row_id": table["row_id"].combine_chunks().cast(pa.string()),
        }
    )


def decide_twins(
    sketches: Iterable[pa.Table], _: State, *, threshold: float, sets: Sequence[NamedImages]
) -> State:
    """The state `rows`: what becomes of every row of the batch, sorted by the hash of its row_id."""
    batch = _read_sketches(sketches)
    known = _read_sets(sets)
    twins = find_twins(batch, known, threshold)
    order = np.argsort(batch.ids, kind="stable")
    names = batch.names.take(pa.array(twins.row, mask=twins.row < 0))
    items = pa.array(known.items, pa.string()).take(pa.array(twins.known, mask=twins.known < 0))
    twin = pa.compute.coalesce(items, names)
    of = pa.array(known.sets, pa.int32()).take(pa.array(twins.known, mask=twins.known < 0))
    columns = [
        pa.array(batch.ids),
        pa.array(batch.area > 0),
        pa.array(batch.told),
        pa.array(twins.likeness),
        twin,
        of,
        pa.array(twins.orientation),
        pa.array(twins.window),
        pa.array(twins.within),
    ]
    return {"rows": pa.table(columns, schema=_ROW_STATE).take(pa.array(order))}


def find_rows(state: State, table: pa.Table) -> pa.Table:
    """The lines of the state for the rows of a table, in order. Raises GateError for rows it has not seen."""
    if "rows" not in state:
        raise GateError("image_duplicates was asked for verdicts before it saw the batch")
    ids, wanted = state["rows"]["id"].to_numpy(), hash_ids(table)
    place = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    if len(wanted) and not (len(ids) and (ids[place] == wanted).all()):
        raise GateError("image_duplicates was asked for verdicts on rows that it had not seen")
    return state["rows"].take(pa.array(place))


def _read_sketches(sketches: Iterable[pa.Table]) -> ImageBatch:
    joined = pa.concat_tables(list(sketches)).combine_chunks()
    lists = joined["thumbnail"].combine_chunks()
    thumbnails: Thumbnails = lists.flatten().to_numpy().reshape(-1, SIDE, SIDE)
    return ImageBatch(
        thumbnails,
        joined["digest"].to_numpy(),
        joined["area"].to_numpy(),
        has_detail(thumbnails),
        joined["id"].to_numpy(),
        joined["canary"].to_numpy(),
        joined["row_id"].combine_chunks(),
    )


def _read_sets(sets: Sequence[NamedImages]) -> KnownImages:
    """Every image of the sets that can be decoded."""
    thumbnails = [np.zeros((0, SIDE, SIDE), np.uint8)]
    digests: list[int] = []
    of: list[int] = []
    items: list[str] = []
    for number, each in enumerate(sets):
        paths = list(each.files)
        for path, read in zip(paths, map_looks(each.folder, paths, plain=True), strict=True):
            seen = _see(read)
            if seen.area:
                thumbnails.append(seen.thumbnail[None])
                digests.append(seen.digest)
                of.append(number)
                items.append(path.path)
    stacked = np.concatenate(thumbnails)
    return KnownImages(stacked, np.array(digests, np.uint64), has_detail(stacked), of, items)
