"""The digest of an image's pixels, which stays where a file is encoded again without loss."""

import hashlib

import numpy as np

from synth_stack.images.decoding import Pixels

PIXEL_SCHEME = "synth_stack/pixels/v1"
"""Stands inside the digested bytes, before the size."""


def digest_pixels(pixels: Pixels) -> str:
    """SHA-256 over the scheme, width, height and the pixels (height, width, 3) row by row, in hexadecimal.

    The pixels are those that gates see: 8 bits a channel, what is transparent on white. The size is digested
    with them, so 2 x 8 pixels are not 4 x 4 with the same bytes.
    """
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{PIXEL_SCHEME} {width} {height}\n".encode("ascii"))
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
