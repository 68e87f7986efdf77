"""One file of a repository on the disk, with the bytes that were signed; what was cut off goes on."""

import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from synth_stack.errors import StoreError, VerificationError, WorkError
from synth_stack.files import store_errors
from synth_stack.packs.hub.repository import HubRepository, list_waits

SLOW_BYTES, SLOW_S = 64 * 1024, 60.0
"""A server that sends less than so many bytes of a file in so many seconds has stopped."""
BLOCK_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file of a commit: its path there, its bytes, and its digest where that was signed."""

    commit: str
    name: str
    size: int
    sha256: str | None = None


def download_file(
    repository: HubRepository,
    wanted: WantedFile,
    target: Path,
    tell: Callable[[int], None] = lambda n: None,
) -> None:
    """Write a file of a commit to `target`: as many bytes as it should have, of that digest.

    What `target` holds from an earlier try is kept where the whole has the digest then. `tell` is told of
    every further number of bytes. Raises VerificationError for other bytes, WorkError when the server stops,
    StoreError.
    """
    with _PartialFile(target) as file:
        kept = file.read_start(wanted.size if wanted.sha256 is not None else 0)
        tell(kept)
        _fill(repository, wanted, file, tell)
        if kept and file.sha256 != wanted.sha256:  # what was there may have been torn
            file.empty()
            _fill(repository, wanted, file, lambda n: None)
        if wanted.sha256 is not None and file.sha256 != wanted.sha256:
            raise VerificationError(
                f"{wanted.name} is not the file that was signed",
                seen=f"SHA-256 {file.sha256}",
                allowed=wanted.sha256,
            )


class _PartialFile:
    """A file that grows to its whole, with the digest of what it holds; on the disk when the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, flags, 0o644), "r+b")
        self._digest, self.size = hashlib.sha256(), 0

    def __enter__(self) -> "_PartialFile":
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.close()
            raise StoreError(f"{self._path} is in the way: it is no file")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file, store_errors(self._path):
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())

    @property
    def sha256(self) -> str:
        """The digest of the bytes so far."""
        return self._digest.hexdigest()

    def read_start(self, max_bytes: int) -> int:
        """How many bytes are there from an earlier try; a longer file is emptied."""
        with store_errors(self._path):
            if os.fstat(self._file.fileno()).st_size > max_bytes:
                self.empty()
            while block := self._file.read(BLOCK_BYTES):
                self._digest.update(block)
                self.size += len(block)
        return self.size

    def empty(self) -> None:
        """Start from the first byte."""
        with store_errors(self._path):
            self._file.seek(0)
            self._file.truncate()
        self._digest, self.size = hashlib.sha256(), 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        with store_errors(self._path):
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


class _Pace:
    """Whether a file comes fast enough, over all tries. Raises WorkError where it trickles."""

    def __init__(self, name: str) -> None:
        self._name, self._since, self._got = name, time.monotonic(), 0

    def add(self, size: int) -> None:
        """So many bytes have come."""
        self._got += size
        if time.monotonic() - self._since > SLOW_S:
            if self._got < SLOW_BYTES:
                seen = f"{self._got} bytes in {SLOW_S:.0f} s"
                raise WorkError(f"the server sends {self._name} too slowly", seen=seen)
            self._since, self._got = time.monotonic(), 0


def _fill(
    repository: HubRepository, wanted: WantedFile, file: _PartialFile, tell: Callable[[int], None]
) -> None:
    """Add what the file lacks; asks again where the server stops in the middle."""
    name, size, waits, pace = wanted.name, wanted.size, list_waits(), _Pace(wanted.name)
    while file.size < size:
        began = file.size
        try:
            with repository.open_file(wanted.commit, name, began) as (start, chunks):
                if start != began:
                    file.empty()
                for chunk in chunks:
                    if file.size + len(chunk) > size:
                        raise VerificationError(
                            f"{name} is longer than it should be", allowed=f"{size} bytes"
                        )
                    file.append(chunk)
                    pace.add(len(chunk))
                    tell(max(0, min(len(chunk), file.size - began)))
            error: Exception = httpx2.RemoteProtocolError(f"{name} ended after {file.size} of {size} bytes")
        except httpx2.TransportError as exc:
            error = exc
        if file.size > began:
            waits = list_waits()
        wait = next(waits) if file.size < size else 0.0
        if wait is None:
            raise repository.explain(error) from error
        time.sleep(wait)
        pace.add(0)
