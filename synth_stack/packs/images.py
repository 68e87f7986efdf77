"""The images of a pack: what its rows hand over, named by digest, and the metadata that `datasets` reads.

    images/metadata.parquet    one line an image: load_dataset(PACK, data_dir="images") (layout `imagefolder`)
    images/3f/3f0c...e1.png    the file whose SHA-256 the row names

Results of accepted rows are in it, and the conditions that steered their making. A `source`, the real image
that a condition was drawn from, is not: its terms are for its owner to say, and the row has its digest.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import open_whole, store_errors
from synth_stack.images.attached import CONDITION, RESULT
from synth_stack.images.decoding import ImageFault
from synth_stack.images.store import STORE, find_file, store_name
from synth_stack.packs.shards import Append, write_shards
from synth_stack.packs.verify_pack import MAX_FILES

METADATA = f"{STORE}/metadata.parquet"
METADATA_SCHEMA = pa.schema(
    [
        pa.field("file_name", pa.string()),
        pa.field("row_id", pa.string()),
        pa.field("slice", pa.string()),
        pa.field("text", pa.string()),
        pa.field("condition_file_names", pa.list_(pa.string())),
        pa.field("sha256", pa.string()),
        pa.field("pixels_sha256", pa.string()),
        pa.field("width", pa.int64()),
        pa.field("height", pa.int64()),
    ]
)
"""Names are relative to the folder of the file, as `datasets` reads them: `file_name` becomes the column
`image`, and `condition_file_names` the list `condition`."""

ROW_COLUMNS = ("row_id", "slice", "text", "attachments")
"""What of a row its images are described by."""
MAX_SAMPLES = 12
"""Images on a card: as many as fit on a screen."""
_OTHERS = 1_000
"""Files of a pack that are no images, at most: there is room for a hundred million rows."""
_BLOCK = 1024**2

Attachment = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PackedImage:
    """An image of an accepted row: its name in the pack, the row, and its attachment."""

    name: str
    row_id: str
    slice: str | None
    attached: Attachment


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """The image files that accepted rows hand over, and one of each of some slices: the least row_id's."""

    files: int
    samples: tuple[PackedImage, ...]


@dataclass(slots=True)
class ImageTally:
    """Images of accepted rows as they are counted."""

    names: set[str] = field(default_factory=set)
    samples: dict[str, PackedImage] = field(default_factory=dict)

    def add_rows(self, rows: pa.Table) -> None:
        """Count the images of accepted rows."""
        for image in list_images(rows):
            self.names.add(image.name)
            slice_ = image.slice or ""
            least = self.samples.get(slice_)
            if image.attached["role"] != CONDITION and (least is None or image.row_id < least.row_id):
                self.samples[slice_] = image

    def finish(self) -> ImageCounts | None:
        """The counts; None for rows without an image."""
        samples = [image for _, image in sorted(self.samples.items())][:MAX_SAMPLES]
        return ImageCounts(len(self.names), tuple(samples)) if self.names else None


def list_images(rows: pa.Table) -> Iterator[PackedImage]:
    """The images that accepted rows hand over, in order. Raises VerificationError for one without a digest,
    or that no ending says is an image.
    """
    for row in _select(rows):
        for attached in row["attachments"]:
            if (attached["role"] or RESULT) in {RESULT, CONDITION}:
                yield PackedImage(_name(attached, row["row_id"]), row["row_id"], row["slice"], attached)


def describe_images(rows: pa.Table) -> pa.Table:
    """The lines of METADATA for accepted rows, one for each result, in order. As `list_images`."""
    lines = []
    for row in _select(rows):
        by_role: dict[str, list[Attachment]] = {RESULT: [], CONDITION: []}
        for attached in row["attachments"]:
            by_role.get(attached["role"] or RESULT, []).append(attached)
        conditions = [_relative(each, row["row_id"]) for each in by_role[CONDITION]]
        lines += [
            {
                "file_name": _relative(each, row["row_id"]),
                "condition_file_names": conditions,
                **{name: row[name] for name in ("row_id", "slice", "text")},
                **{name: each[name] for name in ("sha256", "pixels_sha256", "width", "height")},
            }
            for each in by_role[RESULT]
        ]
    return pa.Table.from_pylist(lines, METADATA_SCHEMA)


def _select(rows: pa.Table) -> list[dict[str, Any]]:
    """The rows with attachments, as objects; of others none is made."""
    has_files = pc.greater(pc.fill_null(pc.list_value_length(rows["attachments"]), 0), 0)
    found: list[dict[str, Any]] = rows.select(ROW_COLUMNS).filter(has_files).to_pylist()
    return found


def _name(attached: Attachment, row_id: str) -> str:
    name = store_name(attached["path"] or "", attached["sha256"])
    if name is None:
        raise VerificationError(
            f"row {row_id} has an attachment that is no image with a digest", seen=attached["path"]
        )
    return name


def _relative(attached: Attachment, row_id: str) -> str:
    return _name(attached, row_id).removeprefix(f"{STORE}/")


class ImageWriter:
    """Puts the images of accepted rows into the folder of a pack, each once, and METADATA beside them.

    `digests` are those that files of `source` have to have by their names in the pack; without, each has the
    one that its name says.
    """

    def __init__(
        self, source: Path, pack: Path, stack: contextlib.ExitStack, digests: Mapping[str, str] | None = None
    ) -> None:
        self._source = source
        self._pack = pack
        self._stack = stack
        self._digests = digests
        self._append: Append | None = None
        self._names: set[str] = set()

    def add_rows(self, rows: pa.Table) -> None:
        """The images of these rows. Raises InputError for a file that is missing or not the row's, and for
        more than a pack takes; StoreError.
        """
        for image in list_images(rows):
            if image.name not in self._names:
                self._names.add(image.name)
                self._copy(image)
        described = describe_images(rows)
        if len(described):
            if self._append is None:
                self._append = self._stack.enter_context(
                    write_shards(self._pack, lambda _: METADATA, METADATA_SCHEMA, shard_rows=MAX_FILES)
                )
            self._append(described)

    def _copy(self, image: PackedImage) -> None:
        if len(self._names) > MAX_FILES - _OTHERS:
            raise InputError(
                "the accepted rows have more images than a pack takes",
                allowed=f"at most {MAX_FILES - _OTHERS:,}",
                mend="Pack slices of the batch, each curated into a folder of its own.",
            )
        wanted = image.attached["sha256"] if self._digests is None else self._digests.get(image.name)
        try:
            found = find_file(self._source, image.attached["path"], image.attached["sha256"])
        except ImageFault as fault:
            raise InputError(f"an image of row {image.row_id} cannot be packed: {fault.said}") from fault
        if not found.is_file():
            raise InputError(
                f"an image of row {image.row_id} is not there any more",
                seen=image.attached["path"],
                mend="Curate the folder of images again, into a new folder: it keeps them.",
            )
        if _copy_file(found, self._pack / image.name) != wanted:
            raise InputError(
                f"an image of row {image.row_id} is not the one that was judged",
                seen=image.attached["path"],
                allowed=f"SHA-256 {wanted}",
            )


def _copy_file(source: Path, target: Path) -> str:
    """SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with store_errors(source), source.open("rb") as read, open_whole(target) as written:
        for block in _read_blocks(read):
            digest.update(block)
            written.write(block)
    return digest.hexdigest()


def _read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def is_image(name: str) -> bool:
    """Whether a file of a pack is an image, by its name."""
    return name.startswith(f"{STORE}/") and name != METADATA


def list_image_names(names: Sequence[str]) -> list[str]:
    """The files of a pack that are images."""
    return [name for name in names if is_image(name)]
