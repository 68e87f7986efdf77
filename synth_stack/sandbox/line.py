"""The line between the two processes of a run: messages of four bytes of length and a JSON list."""

import json
import struct
from os import read, write
from typing import Any

_MOST_BYTES = 1 << 28


class LostError(Exception):
    """The other side has closed the line, or sends what is no message."""


class MessageLine:
    """One end of it. What comes in is read by JSON's own reader, and builds nothing but plain values."""

    def __init__(self, file: int) -> None:
        """Talk on the file `file`, a socket."""
        self._file = file

    def send(self, message: list[Any]) -> None:
        """Send a message. Raises LostError where nobody reads it."""
        body = json.dumps(message, separators=(",", ":")).encode()
        view = memoryview(struct.pack(">I", len(body)) + body)
        try:
            while view:
                view = view[write(self._file, view) :]
        except OSError as exc:
            raise LostError("the line is closed") from exc

    def receive(self) -> list[Any]:
        """The next message. Raises LostError where there is none."""
        try:
            (size,) = struct.unpack(">I", self._read(4))
            if size > _MOST_BYTES:
                raise LostError("a message too large")
            message = json.loads(self._read(size))
        except (ValueError, OSError, RecursionError) as exc:
            raise LostError("the other side sent no message") from exc
        if type(message) is not list or not message:
            raise LostError("the other side sent no message")
        return message

    def _read(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            part = read(self._file, min(left, 1 << 20))
            if not part:
                raise LostError("the line is closed")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
