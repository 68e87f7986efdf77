"""Who reviewed, without who it was: HMAC-SHA256 over the reviewer's name, under a key of the project.

The key stands outside run and pack. Without it nobody can tell whether a pack's reviewer is a person whose
name they know; with it, the same person has the same id in every campaign of the project.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
import unicodedata
from pathlib import Path
from typing import NewType

from synth_stack.errors import ConfigError
from synth_stack.files import read_regular, store_errors, write_bytes
from synth_stack.host import is_read_by_others
from synth_stack.review.plan_file import FOLDER
from synth_stack.runs.folder import update_manifest

KEY_CHECK = f"{FOLDER}/key.check"
"""In a run: the HMAC of a constant under the key that its reviewers' ids are made with."""

ReviewerId = NewType("ReviewerId", str)
"""64 lower-case hexadecimal characters."""

KEY_VARIABLE = "SYNTH_STACK_REVIEW_KEY"
KEY_BYTES = 32
"""As long as the digest: RFC 2104, section 3."""
MAX_NAME_CHARS = 320
"""A mail address has up to 320 (RFC 3696, erratum 1690)."""

_ID = re.compile(r"[0-9a-f]{64}")
_BRING = (
    "Bring the key file of the machine that began this review (--key, or the variable "
    "SYNTH_STACK_REVIEW_KEY); under another key the same person would count twice."
)


def load_or_make_key(path: str | Path | None = None, *, outside: str | Path | None = None) -> bytes:
    """The project's key at `path`, made there on first use (32 random bytes in hexadecimal, mode 0600).

    Without a path: the one that SYNTH_STACK_REVIEW_KEY names, else synth_stack/review.key under
    XDG_CONFIG_HOME or ~/.config. Raises ConfigError for a path inside the folder `outside` (a run), for a
    file that others can read, and for one that holds no key; StoreError where it cannot be read or made.
    """
    place = Path(path) if path is not None else _find_default()
    if outside is not None and place.resolve().is_relative_to(Path(outside).resolve()):
        raise ConfigError(
            "the key of reviewer ids stands inside the run, and would go wherever the run goes",
            seen=str(place),
            mend="Keep it elsewhere: --key, or the variable SYNTH_STACK_REVIEW_KEY.",
        )
    with store_errors(place):
        if not place.exists():
            _make_key(place)
        mode = place.stat().st_mode
        data = read_regular(place, max_bytes=4 * KEY_BYTES)
    if is_read_by_others(mode):
        raise ConfigError(
            f"{place} can be read by others", seen=oct(stat.S_IMODE(mode)), mend=f"chmod 600 {place}"
        )
    text = data.decode("ascii", "replace").strip()
    if not _ID.fullmatch(text):
        raise ConfigError(f"{place} holds no key of reviewer ids", allowed="64 lower-case hexadecimal digits")
    return bytes.fromhex(text)


def read_key_for(run: str | Path, path: str | Path | None = None) -> bytes:
    """The key of `load_or_make_key` at `path`, unless the ids of the run's reviewers are made with another.

    Under two keys one person has two ids, and would count as two reviewers who agree: a machine that joins a
    review needs the key of the one that began it (`keep_key`). Raises ConfigError for another key, and where
    a key would have to be made although the run has one.
    """
    folder = Path(run)
    if (known := _read_check(folder / KEY_CHECK)) is None:
        return load_or_make_key(path, outside=folder)
    place = Path(path) if path is not None else _find_default()
    with store_errors(place):
        key = load_or_make_key(place, outside=folder) if place.exists() else None
    if key is None or not hmac.compare_digest(known, _check(key)):
        other = "a key that is not here" if key is None else "another key"
        raise ConfigError(f"the reviewers of this run are known under {other}", seen=str(place), mend=_BRING)
    return key


def keep_key(run: str | Path, key: bytes) -> None:
    """Leaves a check value of the key in the run, for `read_key_for`; the first one stays."""
    folder = Path(run)
    path = folder / KEY_CHECK
    if _read_check(path) is None:
        with store_errors(path):
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, _check(key).encode() + b"\n")
        update_manifest(folder, [KEY_CHECK])


def reviewer_id(name: str, key: bytes) -> ReviewerId:
    """The id of the reviewer who is known by `name` (a user name or a mail address), under the key.

    Case and surrounding space do not tell two people apart, nor do two ways to write one character (NFKC).
    Raises ConfigError for an empty name and one of more than 320 characters.
    """
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    if not plain or len(plain) > MAX_NAME_CHARS:
        raise ConfigError("a reviewer needs a name", seen=name, allowed=f"1 to {MAX_NAME_CHARS} characters")
    return ReviewerId(hmac.new(key, b"reviewer\0" + plain.encode(), hashlib.sha256).hexdigest())


def is_reviewer_id(text: str) -> bool:
    """Whether it has the form of a reviewer's id."""
    return _ID.fullmatch(text) is not None


def _check(key: bytes) -> str:
    return hmac.new(key, b"check", hashlib.sha256).hexdigest()


def _read_check(path: Path) -> str | None:
    with store_errors(path):
        if not path.exists():
            return None
        text = read_regular(path, max_bytes=4 * KEY_BYTES).decode("ascii", "replace").strip()
    if not _ID.fullmatch(text):
        raise ConfigError(f"{path} holds no check value of a key", allowed="64 lower-case hexadecimal digits")
    return text


def _find_default() -> Path:
    named = os.environ.get(KEY_VARIABLE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "synth_stack" / "review.key"


def _make_key(path: Path) -> None:
    """A key at `path`; that of another process that was faster stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(staged, path)
        except FileExistsError:
            return
    finally:
        staged.unlink(missing_ok=True)
