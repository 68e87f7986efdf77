"""What gates look at in an image: measured once when it is decoded, and kept for the gates after the first.

Some 5 kB an image. A look is that of a file as it was: one that has changed since is decoded again. A gate
with a model says beforehand that it will ask for what that measures (`want`): the one decode serves it too.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from synth_stack.images.attached import AttachedFile, map_threads, read_attached
from synth_stack.images.decoding import DecodedImage, ImageFault, Pixels
from synth_stack.images.measures import ImageMeasures, measure_image
from synth_stack.images.pixel_digest import digest_pixels
from synth_stack.images.store import find_file

THUMBNAIL_SIDE = 64
"""Pixels of a thumbnail's side: four for each period of the highest frequency of a window of half the
side."""
MAX_KEPT = 50_000
"""Looks that are kept, the latest: some 250 MB."""

Thumbnail = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class WantedMeasure:
    """A number that a model gives of an image's pixels; `name` says by its digest which model."""

    name: str
    measure: Callable[[Pixels], float]


@dataclass(frozen=True, slots=True)
class ImageLook:
    """Of one image: its format and mode in the file, whether it has several frames, how many bytes come after
    it, its size and the digest of its pixels, what was measured, a thumbnail of its luminance,
    (THUMBNAIL_SIDE, THUMBNAIL_SIDE), squeezed into a square, and by name what gates want of it besides.
    """

    form: str
    mode: str
    animated: bool
    trailing: int
    width: int
    height: int
    pixels_sha256: str
    measures: ImageMeasures
    thumbnail: Thumbnail
    wanted: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadLook:
    """What became of the image of a row: its look, or the fault; None of both for a row without an image."""

    look: ImageLook | None
    fault: ImageFault | None


_Key = tuple[str, str | None, int, int, int]
"""The file with its digest, and its size, time and number on the disk."""
_kept: OrderedDict[_Key, ReadLook] = OrderedDict()
_lock = Lock()


_wanted: WeakValueDictionary[str, WantedMeasure] = WeakValueDictionary()
"""Of the gates that are bound: what nobody holds any more is measured no longer."""


def want(name: str, measure: Callable[[Pixels], float]) -> WantedMeasure:
    """A measure that is taken of every image when it is decoded, as long as what is returned is held."""
    found = WantedMeasure(name, measure)
    _wanted[name] = found
    return found


def map_looks(
    folder: Path | None,
    attached: Iterable[AttachedFile | None],
    *,
    wanted: WantedMeasure | None = None,
    plain: bool = False,
) -> Iterator[ReadLook]:
    """The look of each image in order, on as many threads as there are cores for this process.

    With `wanted` each has that measure. `plain`: of images of no row, of which no gate will ask for one.
    """
    return map_threads(partial(look_at, folder, wanted=wanted, plain=plain), attached)


def look_at(
    folder: Path | None,
    attached: AttachedFile | None,
    *,
    wanted: WantedMeasure | None = None,
    plain: bool = False,
) -> ReadLook:
    """The look of the image that a row names in the folder of its batch; as `map_looks` has it."""
    key = _name(folder, attached)
    if key is not None:
        with _lock:
            found = _kept.get(key)
        if found is not None and _is_of(found, attached) and _has(found, wanted):
            return found
    read = read_attached(folder, attached)
    asked = [] if plain else [each for ref in _wanted.valuerefs() if (each := ref()) is not None]
    asked += [] if wanted is None else [wanted]
    made = ReadLook(None if read.image is None else _look(read.image, asked), read.fault)
    if key is not None and made.look is not None:
        with _lock:
            _kept[key] = made
            if len(_kept) > MAX_KEPT:
                _kept.popitem(last=False)
    return made


def _has(found: ReadLook, wanted: WantedMeasure | None) -> bool:
    return wanted is None or (found.look is not None and wanted.name in found.look.wanted)


def _look(image: DecodedImage, asked: Iterable[WantedMeasure]) -> ImageLook:
    by_name = {each.name: each for each in asked}
    told = {name: each.measure(image.pixels) for name, each in by_name.items()}
    return replace(_measure(image), wanted=told)


def _is_of(found: ReadLook, attached: AttachedFile | None) -> bool:
    """Whether a look has the pixels that the row names, where it names any."""
    wanted = None if attached is None else attached.pixels_sha256
    return wanted is None or (found.look is not None and found.look.pixels_sha256 == wanted)


def _name(folder: Path | None, attached: AttachedFile | None) -> _Key | None:
    """What a look is kept under; None for what is in no file."""
    if folder is None or attached is None or attached.inline:
        return None
    try:
        path = find_file(folder, attached.path, attached.sha256)
        state = path.stat()
    except (ImageFault, OSError, ValueError):
        return None
    return str(path), attached.sha256, state.st_size, state.st_mtime_ns, state.st_ino


def _measure(image: DecodedImage) -> ImageLook:
    from PIL import Image

    grey = Image.fromarray(image.pixels).convert("L")
    small = grey.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    return ImageLook(
        image.form,
        image.mode,
        image.animated,
        image.trailing,
        image.width,
        image.height,
        digest_pixels(image.pixels),
        measure_image(image.pixels),
        np.asarray(small),
    )
