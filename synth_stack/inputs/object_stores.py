"""Data in object stores, by fsspec: s3://bucket/key, gs://bucket/key, hf://datasets/owner/name and whatever
else fsspec knows.

A source is copied to this machine before it is read, file by file, so that it is read, digested and read
again like any other. What fsspec asks for (keys, endpoints) it takes from its own configuration and the
environment; nothing of that reaches a message or a record.
"""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import fsspec

from synth_stack.errors import InputError, MissingExtra, StoreError, SynthStackError
from synth_stack.files import store_errors

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""The extra that a scheme needs."""
MAX_FILES = 200_000
"""Objects that are looked at; a data set of more is a mistake, or a prefix that is no data set."""
_BLOCK_BYTES = 1024 * 1024


def is_address(source: object) -> bool:
    """Whether `source` names something in an object store, and not on this machine or by a Hub name."""
    return isinstance(source, str) and _ADDRESS.match(source) is not None


def hide_secrets(address: str) -> str:
    """The address without user, password, query and fragment: what messages and names may show."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class ObjectStore:
    """The objects below one address. Raises `failure` for what the store refuses."""

    def __init__(self, address: str, failure: type[SynthStackError] = StoreError) -> None:
        self.shown = hide_secrets(address)
        self._failure = failure
        scheme = urlsplit(address).scheme.lower()
        with self._errors("opened"):
            try:
                # a disk has folders, which have to be made; a store has none
                options = {"auto_mkdir": True} if scheme in {"file", "local"} else {}
                self._files, root = fsspec.core.url_to_fs(address, **options)
            except ImportError as exc:
                extra = _EXTRAS.get(scheme)
                raise MissingExtra(
                    f"{self.shown} needs a package that is not installed",
                    seen=str(exc).splitlines()[0],
                    mend=f"Run: pip install 'synth-stack[{extra}]'"
                    if extra
                    else "Install the package of fsspec for it.",
                ) from exc
        self._root = str(root).rstrip("/")

    def list_files(self) -> dict[str, int]:
        """The bytes of every object below, by its path from here; under its own name where it is one
        object.
        """
        with self._errors("listed"):
            if self._files.isfile(self._root):
                return {PurePosixPath(self._root).name: int(self._files.size(self._root))}
            found = self._files.find(self._root, detail=True) if self._files.exists(self._root) else {}
        if len(found) > MAX_FILES:
            raise self._failure(
                f"{self.shown} holds too many objects", seen=len(found), allowed=f"{MAX_FILES}"
            )
        sizes: dict[str, int] = {}
        for path, info in sorted(found.items()):
            name = str(path).removeprefix(self._root).strip("/")
            if name and info.get("type", "file") == "file":
                sizes[self._check(name)] = int(info.get("size") or 0)
        return sizes

    def download(self, name: str, target: Path) -> None:
        """One object as a file, whole or not at all."""
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        one = PurePosixPath(self._root).name == name and self._files.isfile(self._root)
        with store_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            path = self._root if one else f"{self._root}/{name}"
            with (
                self._errors(f"read: {name}"),
                self._files.open(path, "rb") as source,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(source, file, _BLOCK_BYTES)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def upload(self, source: Path, name: str) -> None:
        """One file as an object; stores make an object visible when it is whole."""
        path = f"{self._root}/{name}"
        with (
            self._errors(f"written: {name}"),
            source.open("rb") as file,
            self._files.open(path, "wb") as target,
        ):
            shutil.copyfileobj(file, target, _BLOCK_BYTES)

    def try_writing(self) -> None:
        """Write a small object and remove it: whether the store takes any, before work is done for it."""
        name = f".{secrets.token_hex(4)}.tmp"
        path = f"{self._root}/{name}"
        with self._errors("written to"):
            with self._files.open(path, "wb") as target:
                target.write(b"")
            self._files.rm_file(path)

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """The bytes of a small object; None where there is none."""
        path = f"{self._root}/{name}"
        with self._errors(f"read: {name}"):
            if not self._files.isfile(path):
                return None
            with self._files.open(path, "rb") as file:
                data: bytes = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise self._failure(f"{self.shown}/{name} is too large", allowed=f"at most {max_bytes} bytes")
        return data

    def remove(self, name: str) -> None:
        """Remove one object, if it is there."""
        path = f"{self._root}/{name}"
        with self._errors(f"removed: {name}"):
            if self._files.isfile(path):
                self._files.rm_file(path)

    def _check(self, name: str) -> str:
        """Raises for a name that would lead out of a folder: a key of a store may be any text."""
        parts = name.split("/")
        if {"", ".", ".."} & set(parts) or "\0" in name or "\\" in name:
            raise self._failure(f"{self.shown} has an object whose name is no path", seen=name)
        return name

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except (SynthStackError, ImportError):
            raise
        except Exception as exc:  # each store has exceptions of its own
            raise self._failure(
                f"{self.shown} cannot be {done}",
                seen=type(exc).__name__,
                mend="Check address, rights and network; fsspec takes keys from the environment.",
            ) from exc


def fetch_source(address: str, folder: Path) -> Path:
    """The object at `address`, or all objects below it, as a file or folder below `folder`, under its own
    name.

    What lies there in the same size is kept: an object is fetched whole or not at all. Raises InputError for
    what is not there or cannot be read, MissingExtra without the package of its store.
    """
    store = ObjectStore(address, InputError)
    sizes = store.list_files()
    if not sizes:
        raise InputError(f"{store.shown} holds nothing", mend="Check the address.")
    name = PurePosixPath(urlsplit(store.shown).path).name or urlsplit(store.shown).netloc
    target = folder / name
    if list(sizes) == [name]:
        _fetch(store, name, target, sizes[name])
        return target
    for inside, size in sizes.items():
        _fetch(store, inside, target / inside, size)
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target).as_posix() not in sizes:
            path.unlink()
    return target


def _fetch(store: ObjectStore, name: str, target: Path, size: int) -> None:
    if not (target.is_file() and target.stat().st_size == size):
        store.download(name, target)
