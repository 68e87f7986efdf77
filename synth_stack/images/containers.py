"""Where an image ends in its file. What comes after it no viewer shows, and another program may run or
unpack.
"""

_PADDING = b"\0\r\n \t"


def count_trailing(data: bytes, form: str) -> int:
    """The bytes after the end of a PNG, JPEG or WEBP image, padding left out; 0 for other formats.

    PNG ends with its chunk IEND (ISO/IEC 15948, 11.2.5), WEBP where its RIFF header says (RFC 9649, section
    2.4), and JPEG at the marker EOI after its first scan (ITU-T T.81, B.1.1): within a scan a byte 0xFF is
    followed by 0 or a restart marker.
    """
    find = {"PNG": _end_png, "JPEG": _end_jpeg, "WEBP": _end_webp}.get(form)
    end = None if find is None else find(data)
    return 0 if end is None else len(data[end:].strip(_PADDING))


def _end_png(data: bytes) -> int | None:
    place = 8
    while place + 12 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += 12 + length
        if name == b"IEND":
            return place
    return None


def _end_webp(data: bytes) -> int | None:
    length = int.from_bytes(data[4:8], "little")
    return 8 + length + length % 2


def _end_jpeg(data: bytes) -> int | None:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            end = data.find(b"\xff\xd9", place)
            return None if end < 0 else end + 2
    return None
