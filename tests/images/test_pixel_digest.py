import hashlib

import numpy as np

from synth_stack.images.decoding import decode
from synth_stack.images.pixel_digest import digest_pixels
from tests.picture_rows import draw_picture, save


def test_the_digest_is_over_scheme_size_and_pixels() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    written = b"synth_stack/pixels/v1 4 2\n" + bytes(range(24))
    assert digest_pixels(pixels) == hashlib.sha256(written).hexdigest()
    assert digest_pixels(pixels) != digest_pixels(pixels.reshape(4, 2, 3))
    assert digest_pixels(pixels[:, ::-1]) == digest_pixels(pixels[:, ::-1].copy()) != digest_pixels(pixels)


def test_another_file_of_the_same_pixels_has_the_same_digest() -> None:
    picture = draw_picture(3, 48)
    first, second = save(picture, "PNG"), save(picture, "WEBP", lossless=True)
    assert first != second
    assert digest_pixels(decode(first).pixels) == digest_pixels(decode(second).pixels)
    assert digest_pixels(decode(save(picture, "JPEG")).pixels) != digest_pixels(picture)
