import pytest

from synth_stack.images.containers import count_trailing
from tests.picture_rows import draw_picture, save

GOOD = draw_picture(1)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(("more", "counted"), [(b"", 0), (b"\0\0\n", 0), (b"PK\x03\x04", 4)])
def test_what_follows_an_image_is_counted_and_padding_is_not(form: str, more: bytes, counted: int) -> None:
    assert count_trailing(save(GOOD, form) + more, form) == counted


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 1}, {"exif": b"Exif\0\0\xff\xd9MM"}])
def test_every_sort_of_jpeg_ends_where_it_ends(options: dict[str, object]) -> None:
    data = save(GOOD, "JPEG", **options)
    assert count_trailing(data, "JPEG") == 0
    assert count_trailing(data + b"more", "JPEG") == 4


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR"])
def test_noise_is_no_error(form: str, data: bytes) -> None:
    assert count_trailing(data, form) == 0
