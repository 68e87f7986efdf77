"""Image files decoded within bounds: what cannot be decoded is a fault with a name, and never a crash.

A file is bounded before it is read (MAX_BYTES), and its pixels before they are made (MAX_SIDE, MAX_PIXELS):
the header alone says how many there are. Only FORMATS are tried, whatever the name of the file says: no
format that runs a program (EPS), follows a reference or holds a script (SVG) is among them. Metadata is not
used: an image lies as its pixels lie, whatever its EXIF says.
"""

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import MissingExtra
from synth_stack.files import read_regular
from synth_stack.images.containers import count_trailing

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]
"""Red, green and blue, (height, width, 3)."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""What data sets of images are made of."""
MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 16_384
MAX_PIXELS = 32 * 1024 * 1024
"""Of a side and of an image: twice the largest that a diffusion model makes (4096 x 4096), 96 MB decoded."""

_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError),
    *(OverflowError, NotImplementedError, RuntimeError, AssertionError, struct.error, zlib.error),
)
"""What Pillow's readers raise at files that are not what they say."""


class ImageFault(Exception):
    """Why a file gives no image: `name`, a short stable code, and `said`, words for people."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(said)
        self.name = name
        self.said = said


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image as it was decoded: its format and mode in the file (Pillow's names), whether it has several
    frames, how many bytes of the file come after the image, and its first frame as `pixels`. What is
    transparent is laid on white.
    """

    form: str
    mode: str
    animated: bool
    trailing: int
    pixels: Pixels

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])


def require_pillow() -> None:
    """Raises MissingExtra where images cannot be decoded."""
    try:
        import PIL.Image  # noqa: F401  (whether it is there)
    except ImportError as exc:
        raise MissingExtra(
            "images are decoded by Pillow", seen="not installed", mend="Run: pip install 'synth-stack[image]'"
        ) from exc


def read_bytes(path: Path) -> bytes:
    """The bytes of a file of at most MAX_BYTES. Raises ImageFault: `missing`, `too_large`."""
    try:
        data = read_regular(path, max_bytes=MAX_BYTES)
    except (OSError, ValueError) as exc:
        raise ImageFault("missing", f"the file cannot be read: {type(exc).__name__}") from exc
    if len(data) > MAX_BYTES:
        raise ImageFault("too_large", f"the file is larger than {MAX_BYTES // 2**20} MB")
    return data


def decode(data: bytes) -> DecodedImage:
    """The image that the bytes are. Raises ImageFault: `no_image`, `corrupt`, `too_large`."""
    import io

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                return _read(opened, data)
    except UnidentifiedImageError as exc:
        raise ImageFault("no_image", f"it is none of {', '.join(FORMATS)}") from exc
    except (Image.DecompressionBombError, MemoryError) as exc:
        raise ImageFault("too_large", "it would be too large when decoded") from exc
    except _BROKEN as exc:
        raise ImageFault("corrupt", f"it cannot be decoded: {type(exc).__name__}") from exc


def _read(opened: "Image", data: bytes) -> DecodedImage:
    width, height = opened.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageFault("too_large", f"it has {width} x {height} pixels")
    form, mode = opened.format or "", _name_mode(opened)
    animated = bool(getattr(opened, "is_animated", False))
    opened.load()
    return DecodedImage(form, mode, animated, count_trailing(data, form), _make_rgb(opened))


def _name_mode(opened: "Image") -> str:
    """Pillow's mode, with `;16` for 16 bits a channel: of colours Pillow keeps the high bytes."""
    tiles = getattr(opened, "tile", ())  # a file that is open has them
    raw = tiles[0].args if tiles else ()
    names = [raw] if isinstance(raw, str) else list(raw or ())
    deep = any(isinstance(name, str) and ";16" in name for name in names)
    return f"{opened.mode};16" if deep and ";" not in opened.mode else opened.mode


def _make_rgb(image: "Image") -> Pixels:
    from PIL import Image

    if image.mode == "RGB" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _scale_deep(np.asarray(image))
    if "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "RGBa", "La"}:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return np.asarray(Image.alpha_composite(white, clear).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _scale_deep(values: NDArray[np.generic]) -> Pixels:
    """Values of 16 bits or more, or real ones, as 8 bits: 16 bits by their high byte, others by their
    range.
    """
    wide = np.nan_to_num(values.astype(np.float64))
    top = (
        65_535
        if wide.size and 255 < wide.max(initial=0) <= 65_535
        else max(255.0, float(wide.max(initial=0)))
    )
    grey = np.clip(wide * (255 / top), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
