"""Runs whose input or output lies in an object store: fetched before, worked on here, sent when finished."""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from synth_stack.inputs.object_stores import fetch_source, hide_secrets, is_address
from synth_stack.runs.folder import remove_folder
from synth_stack.runs.publish import check_target, publish

FETCHED = ".input"
"""In the folder of a run, hidden: what was fetched, until the run is finished."""


def find_work_folder(out: str | Path) -> Path:
    """The folder on this machine in which a run is made: `out`, or for an address one in runs/ of its own."""
    if not is_address(out):
        return Path(out)
    shown = hide_secrets(str(out))
    name = PurePosixPath(urlsplit(shown).path).name or urlsplit(shown).netloc
    return Path("runs") / f"{name}-{hashlib.sha256(shown.encode()).hexdigest()[:8]}"


def bring_source(source: Any, work: Path) -> Any:
    """The source, where it is an address fetched into the folder of the run."""
    return fetch_source(source, work / FETCHED) if is_address(source) else source


class Destination:
    """Where a finished folder goes: nowhere, or to an address that is looked at before anything is done."""

    def __init__(self, out: str | Path, lock: bytes) -> None:
        self._store = check_target(str(out), lock) if is_address(out) else None

    @property
    def address(self) -> str | None:
        """The address as messages may show it."""
        return None if self._store is None else self._store.shown

    def send(self, folder: Path) -> None:
        """Send a finished folder, and remove what was fetched for it."""
        remove_folder(folder / FETCHED)
        if self._store is not None:
            publish(folder, self._store)
