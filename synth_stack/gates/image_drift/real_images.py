"""The real images that a batch is compared with: a folder, read as `curate` reads one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synth_stack.gates.batch_samples import BatchSample
from synth_stack.gates.image_drift.features import Describe
from synth_stack.gates.image_drift.sampling import join_sketches, sketch_images
from synth_stack.images.attached import read_attached
from synth_stack.images.decoding import Pixels
from synth_stack.inputs.image_folders import ImageFolder, open_image_folder, read_image_rows
from synth_stack.rows.schemas import CANDIDATE_SCHEMA

PLANTED_SIDE = 1_024
"""Pixels of a planted image's side at most: its middle is measured, as that of any other."""


@dataclass(frozen=True, slots=True)
class RealImages:
    """A folder of real images."""

    images: ImageFolder

    def sample(self, describe: Describe) -> BatchSample:
        """What is read of them, as of a batch."""
        folder = self.images.folder
        tables = (CANDIDATE_SCHEMA.empty_table(), *read_image_rows(self.images))
        return join_sketches(sketch_images(table, {}, folder=folder, describe=describe) for table in tables)

    def draw(self, n: int, seed: int) -> Iterator[Pixels]:
        """Up to `n` of them that can be decoded, at random."""
        order = np.random.default_rng(seed).permutation(len(self.images.files))
        found = 0
        for place in order[: 2 * n]:
            image = read_attached(self.images.folder, self.images.files[place]).image
            if image is not None and found < n:
                found += 1
                yield image.pixels[:PLANTED_SIDE, :PLANTED_SIDE]


def open_real_images(path: Path) -> RealImages:
    """The images of a folder. Raises InputError for one without any, and as `curate` does."""
    return RealImages(open_image_folder(path))
