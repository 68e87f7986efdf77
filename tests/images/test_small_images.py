import base64
import io

from PIL import Image

from synth_stack.images.small_images import encode_small
from tests.picture_rows import draw_picture


def test_a_small_image_is_a_jpeg_of_the_same_shape() -> None:
    url = encode_small(draw_picture(1)[:64], 112, quality=70)
    assert url.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as opened:
        assert (opened.format, opened.size) == ("JPEG", (112, 56))


def test_an_image_is_never_made_larger() -> None:
    url = encode_small(draw_picture(1, 32), 112, quality=70)
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as opened:
        assert opened.size == (32, 32)
