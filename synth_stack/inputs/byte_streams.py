"""The bytes of a foreign file as UTF-8: unpacked within bounds, without a byte order mark.

What a file is stands in its name: `rows.jsonl.gz` is JSON Lines, packed with gzip.
"""

import codecs
import io
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from synth_stack.errors import InputError
from synth_stack.files import open_regular

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
CODECS = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}
MAX_UNPACKED_RATIO = 1_000
"""Text packs 3 to 10 times, a template repeated for ever about 100 times; gzip itself ends at 1,032."""
MIN_UNPACKED_BYTES = 256 * 1024 * 1024
"""So much may come out of any file, however small: it is unpacked in a second and never held whole."""

_SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_AS_CSV = "Save the sheet as CSV UTF-8."
_NO_TEXT = (
    (b"PK\x03\x04", "is a ZIP file, as spreadsheets are", _AS_CSV),
    (b"\xd0\xcf\x11\xe0", "is a file of an old Office program", _AS_CSV),
    (b"PAR1", "is Parquet", "Name it .parquet."),
    (b"\x1f\x8b", "is packed with gzip", "Name it .gz, after the suffix of what is in it."),
    (b"%PDF", "is a PDF", "Save its rows as text."),
)
"""Beginnings of files whose names say that they are text, what they are, and what to do."""
_BLOCK_BYTES = 1024 * 1024
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def split_suffix(path: Path) -> tuple[str, str | None]:
    """The suffix that says how a file is read, in lower case, and how the file is packed, if it is.

    Raises InputError for any suffix but SUFFIXES, each alone or before one of CODECS.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    last = suffixes[-1] if suffixes else ""
    packed = CODECS.get(last)
    kind = last if packed is None else (suffixes[-2] if len(suffixes) > 1 else "")
    if kind not in SUFFIXES:
        raise InputError(
            f"{path} is of a kind that is not read",
            seen=last or "no suffix",
            allowed=f"{', '.join(SUFFIXES)}; packed as .gz, .zst or .bz2",
            mend=_AS_CSV if last in _SHEETS else None,
        )
    if packed is not None and kind in {".parquet", ".arrow"}:
        why = (
            "Parquet, which is packed inside" if kind == ".parquet" else "Arrow, which is read by its batches"
        )
        raise InputError(f"{path} is {why}", mend="Unpack the file.")
    return kind, packed


class UnpackedBound:
    """How much may still come out of the file at `path`, of `size` bytes, before it is refused."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._left = path, max(MIN_UNPACKED_BYTES, MAX_UNPACKED_RATIO * size)

    def take(self, count: int) -> None:
        """Counts bytes that came out. Raises InputError once they are more than the file's size allows."""
        self._left -= count
        if self._left < 0:
            raise InputError(
                f"{self._path} unpacks to far more than its size",
                allowed=f"at most {MAX_UNPACKED_RATIO} times, or {MIN_UNPACKED_BYTES} bytes",
                mend="Unpack it yourself, if you trust it.",
            )


def open_bytes(path: Path, codec: str | None = None) -> IO[bytes]:
    """The file's text as UTF-8 bytes, unpacked, read forwards only.

    Raises OSError where the file cannot be opened; reading raises InputError where it breaks off, holds more
    than its size allows (MAX_UNPACKED_RATIO, MIN_UNPACKED_BYTES), or is UTF-16 or UTF-32 that is not valid,
    or either without a byte order mark, and for a file that is no text at all.
    """
    raw: Any = open_regular(path)
    if codec is not None:
        raw = io.BufferedReader(_Unpacked(raw, path, codec), _BLOCK_BYTES)
    start = raw.peek(4)[:4]
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raw.close()
        raise InputError(f"{path} is UTF-32", mend="Save it as UTF-8.")
    if start.startswith(_WIDE_MARKS):
        return io.BufferedReader(_Transcoded(raw, path), _BLOCK_BYTES)
    for mark, what, mend in _NO_TEXT:
        if start.startswith(mark):
            raw.close()
            raise InputError(f"{path} {what}, whatever its name says", mend=mend)
    if len(start) > 2 and (start[::2] == b"\0\0") != (start[1::2] == b"\0\0"):
        raw.close()
        raise InputError(f"{path} is UTF-16 without a byte order mark", mend="Save it as UTF-8.")
    if start.startswith(codecs.BOM_UTF8):
        raw.read(len(codecs.BOM_UTF8))
    return raw  # type: ignore[no-any-return]  # a BufferedReader, of a file or of _Unpacked


class _Unpacked(io.RawIOBase):
    """What comes out of a packed file, up to a bound that its size gives."""

    def __init__(self, file: IO[bytes], path: Path, codec: str) -> None:
        self._file, self._path, self._codec = file, path, codec
        self._bound = UnpackedBound(path, path.stat().st_size)
        self._stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, pa.ArrowException) as exc:
            raise InputError(f"{self._path} is not whole {self._codec} data: {exc}") from exc
        self._bound.take(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()


class _Transcoded(io.RawIOBase):
    """UTF-16 as UTF-8, block by block."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            block = self._file.read(_BLOCK_BYTES)
            try:
                self._ready = self._decoder.decode(block, final=not block).encode("utf-8")
            except UnicodeError as exc:
                raise InputError(f"{self._path} begins as UTF-16 and is not valid UTF-16: {exc}") from exc
            if not block:
                break
        given, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
