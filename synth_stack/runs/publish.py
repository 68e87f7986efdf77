"""A finished folder in an object store: every file that its manifest names, and the manifest last.

A store renames nothing, but shows an object only when it is whole. So the old manifest goes first and the new
one comes last: as with a folder on a disk, a manifest that is there means "finished".
"""

import json
from pathlib import Path
from typing import Any

from synth_stack.errors import RunMismatch, StoreError
from synth_stack.files import digest_file, store_errors
from synth_stack.inputs.object_stores import ObjectStore
from synth_stack.runs.folder import LOCK, MANIFEST, identity_line

MAX_MANIFEST_BYTES = 256 * 1024 * 1024


def check_target(address: str, lock: bytes) -> ObjectStore:
    """The store at `address`, where it is empty or holds a run of the same identity.

    Raises RunMismatch where it holds something else, StoreError where nothing can be written, MissingExtra
    without the package of its store.
    """
    store = ObjectStore(address)
    held = store.read(LOCK, MAX_MANIFEST_BYTES)
    if held is not None and identity_line(held) != identity_line(lock):
        raise RunMismatch(f"{store.shown} holds a different run", mend="Choose another address with --out.")
    if held is None and (there := store.list_files()):
        raise RunMismatch(
            f"{store.shown} is not empty and holds no run",
            seen=", ".join(sorted(there)[:5]),
            mend="Choose another address with --out.",
        )
    if held is None:
        store.try_writing()
    return store


def publish(folder: Path, store: ObjectStore) -> None:
    """Every file that the manifest of `folder` names, as an object; the manifest is the last.

    An object that the old manifest names with the same digest, and that has its size, is not sent again; what
    the new one does not name is removed. Raises StoreError; the same call goes on.
    """
    with store_errors(folder / MANIFEST):
        data = (folder / MANIFEST).read_bytes()
    files: dict[str, dict[str, Any]] = json.loads(data)["files"]
    old = store.read(MANIFEST, MAX_MANIFEST_BYTES)
    if old == data:
        return
    there = store.list_files()
    known = _read_files(old)
    store.remove(MANIFEST)
    store.upload(folder / LOCK, LOCK)  # first, so that what is half there is known for this run
    for name, said in files.items():
        same = known.get(name, {}).get("sha256") == said["sha256"] and there.get(name) == said["bytes"]
        if not same and name != LOCK:
            if digest_file(folder / name) != said["sha256"]:
                raise StoreError(f"{folder / name} has changed since its manifest was written")
            store.upload(folder / name, name)
    for name in set(there) - set(files) - {MANIFEST}:
        store.remove(name)
    store.upload(folder / MANIFEST, MANIFEST)


def _read_files(manifest: bytes | None) -> dict[str, dict[str, Any]]:
    """What an earlier manifest names; nothing where there is none that can be read."""
    try:
        files = json.loads(manifest or b"{}").get("files", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return files if isinstance(files, dict) else {}
