"""Pictures for tests, made in memory, and rows with the files of them."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from synth_stack.gates.resources import NoResources
from synth_stack.images.decoding import Pixels
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row


@dataclass(frozen=True, slots=True)
class PictureFolder(NoResources):
    """Resources that have a folder of pictures, and nothing else."""

    folder: Path

    @property
    def attachments(self) -> Path:
        return self.folder


def draw_picture(seed: int, side: int = 128) -> Pixels:
    """A picture of smooth shapes of several sizes and some grain; another one for each seed."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24):
        patch = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        total += np.asarray(patch.resize((side, side), Image.Resampling.BICUBIC), np.float64) - 128
    total += rng.normal(0, 10, (side, side, 1))
    return np.asarray(np.clip(128 + 0.6 * total, 0, 255), np.uint8)


def save(pixels: Pixels, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file of that form."""
    kept = io.BytesIO()
    Image.fromarray(pixels).save(kept, form, **options)
    return kept.getvalue()


def write_rows(folder: Path, files: Mapping[str, bytes], slices: Sequence[str] = ()) -> pa.Table:
    """One row for each file, written into the folder under its name."""
    rows = []
    for number, (name, data) in enumerate(files.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        attached = {"path": name, "sha256": hashlib.sha256(data).hexdigest(), "mime": "image/png"}
        about = slices[number] if slices else None
        rows.append(make_row(draw=number, kind="image", attachments=[attached], slice=about))
    return build_candidates(rows)
