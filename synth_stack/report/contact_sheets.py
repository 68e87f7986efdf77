"""What the report shows of images: sheets of small ones by slice and decision, and twins side by side.

Each is decoded, made smaller and encoded again here: nothing of a stranger's file reaches the page.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.images.attached import CONDITION, RESULT, AttachedFile, ReadImage, list_attached, map_images
from synth_stack.images.small_images import encode_small

MAX_SLICES = 12
SHEET_IMAGES = 8
"""Of a slice and a decision: as many as stand in one line of a wide window."""
MAX_TWINS = 24
SIDE = 112
"""Pixels of a small image's longer side: some 4 kB, so 400 images make a page of 2 MB."""
_QUALITY = 72
_MAX_NAME = 200

Json = dict[str, Any]


def draw_sheets(
    folder: Path, candidates: Iterable[pa.Table], verdicts: Iterable[pa.Table], decisions: pa.Table
) -> Json | None:
    """`sheets`, of the largest slices one for each decision, and `twins`, pairs of a rejected image and the
    one that it is like. None for a batch without images, and where no Pillow is installed.

    Which rows are shown is up to their ids alone, so that they are the same each time.
    """
    if find_spec("PIL") is None:
        return None
    decided = dict(zip(decisions["row_id"].to_pylist(), decisions["decision"].to_pylist(), strict=True))
    pairs = _find_twins(verdicts, decided)
    wanted = {row_id for pair in pairs for row_id in (pair["row"], pair["twin"])}
    chosen, sizes, files = _choose(candidates, decided, wanted)
    if not sizes:
        return None
    slices = [name for name, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))][:MAX_SLICES]
    groups = {key: sorted(ids) for key, ids in chosen.items() if key[0] in slices}
    shown = sorted(wanted.union(*groups.values()) & files.keys())
    small = dict(zip(shown, map_images(folder, [files[row_id][0] for row_id in shown], _shrink), strict=True))
    conditions = [row_id for row_id in shown if files[row_id][1] is not None]
    steered = map_images(folder, [files[row_id][1] for row_id in conditions], _shrink)
    beside = dict(zip(conditions, steered, strict=True))

    def describe(row_id: str) -> Json:
        return {"row_id": row_id, "image": small.get(row_id), "condition": beside.get(row_id)}

    order = ("accepted", "held", "rejected")
    return {
        "sheets": [
            {
                "slice": name[:_MAX_NAME],
                "decision": decision,
                "images": [describe(row_id) for row_id in groups[name, decision]],
            }
            for name in slices
            for decision in order
            if (name, decision) in groups
        ],
        "left_out": max(0, len(sizes) - MAX_SLICES),
        "twins": [
            {**pair, "row": describe(pair["row"]), "twin": describe(pair["twin"])}
            for pair in pairs
            if pair["row"] in files and pair["twin"] in files
        ],
    }


Files = tuple[AttachedFile, AttachedFile | None]
"""The image of a row, and what steered it."""


def _choose(
    candidates: Iterable[pa.Table], decided: Mapping[str, str], wanted: set[str]
) -> tuple[dict[tuple[str, str], list[str]], Counter[str], dict[str, Files]]:
    """The least ids of each slice and decision, how many images each slice has, and the files of the rows
    that may be shown.
    """
    chosen: dict[tuple[str, str], list[str]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    files: dict[str, Files] = {}
    for table in candidates:
        has_files = pc.greater(pc.fill_null(pc.list_value_length(table["attachments"]), 0), 0)
        rows = table.filter(has_files)
        columns = (rows["row_id"].to_pylist(), rows["slice"].to_pylist())
        pairs = zip(*columns, list_attached(rows, RESULT), list_attached(rows, CONDITION), strict=True)
        for row_id, name, image, condition in pairs:
            if image is None or row_id not in decided:
                continue
            key = (name or "", decided[row_id])
            sizes[key[0]] += 1
            best = heapq.nsmallest(SHEET_IMAGES, [*chosen[key], row_id])
            if row_id in best or row_id in wanted:
                files[row_id] = (image, condition)
            chosen[key] = best
    return chosen, sizes, files


def _find_twins(verdicts: Iterable[pa.Table], decided: Mapping[str, str]) -> list[Json]:
    """Rejected rows with the row that a verdict says they are like, the least ids first."""
    found: list[tuple[str, Json]] = []
    for table in verdicts:
        rejects = table.filter(pc.and_(pc.equal(table["outcome"], "reject"), pc.is_valid(table["evidence"])))
        columns = (rejects[name].to_pylist() for name in ("row_id", "gate", "score", "evidence"))
        for row_id, gate, score, evidence in zip(*columns, strict=True):
            twin = _read_twin(evidence)
            if twin is not None and twin in decided and row_id in decided:
                found.append((row_id, {"row": row_id, "twin": twin, "gate": gate, "score": score}))
        found = heapq.nsmallest(MAX_TWINS, found, key=lambda item: item[0])
    return [pair for _, pair in found]


def _read_twin(evidence: str) -> str | None:
    try:
        told = orjson.loads(evidence)
    except orjson.JSONDecodeError:
        return None
    twin = told.get("twin") if isinstance(told, dict) else None
    return twin if isinstance(twin, str) else None


def _shrink(read: ReadImage) -> str | None:
    """A small image as a `data:` URL; None for one that cannot be decoded."""
    return None if read.image is None else encode_small(read.image.pixels, SIDE, quality=_QUALITY)
