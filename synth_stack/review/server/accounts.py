"""Who may log in to a local server: an owner and annotators, with passwords and keys made here.

    accounts.json   the workspace, the accounts and the key that signs log-ins, mode 0600

The file is the truth: the server takes an account from it that it does not know, or knows by another key.
"""

import os
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from synth_stack.errors import ConfigError, StoreError
from synth_stack.files import open_regular, store_errors, write_bytes
from synth_stack.host import is_read_by_others

ACCOUNTS = "accounts.json"
OWNER = "owner"
WORKSPACE = "review"
ANNOTATORS = ("reviewer-1", "reviewer-2", "reviewer-3")
"""As many as a plan takes for granted (review/plan_file.py, `PlanSettings.reviewers`)."""

_SCHEME = "synth_stack/argilla-accounts/v1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Account:
    """One who may log in: with the password in the browser, with the key over the API."""

    username: str
    role: str
    password: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """All of a server; `new` are those that were made just now, whose passwords nobody has seen."""

    workspace: str
    signing_key: str
    accounts: tuple[Account, ...]
    new: tuple[Account, ...] = ()

    @property
    def owner(self) -> Account:
        """The one whose key sends and collects."""
        return next(each for each in self.accounts if each.role == OWNER)


def load_or_make_accounts(folder: Path, annotators: Sequence[str] = ()) -> Accounts:
    """The accounts of the server in `folder`, with those annotators; where there are none, an owner too.

    Names that are there keep their passwords. Raises ConfigError for a name that is none, and for a file
    that others can read; StoreError for one that is torn.
    """
    for name in annotators:
        if not _NAME.fullmatch(name) or name == OWNER:
            raise ConfigError(
                "an annotator cannot have that name",
                seen=name,
                allowed=f"up to 100 letters, digits and . _ @ + -, and not {OWNER}",
            )
    known = read_accounts(folder)
    wanted = list(annotators) or ([] if known else list(ANNOTATORS))
    names = {each.username for each in known.accounts} if known else set()
    new = [] if known else [_make(OWNER, OWNER)]
    new += [_make(name, "annotator") for name in dict.fromkeys(wanted) if name not in names]
    accounts = Accounts(
        workspace=known.workspace if known else WORKSPACE,
        signing_key=known.signing_key if known else secrets.token_hex(32),
        accounts=(*(known.accounts if known else ()), *new),
        new=tuple(new),
    )
    if new:
        value = {
            "scheme": _SCHEME,
            "workspace": accounts.workspace,
            "signing_key": accounts.signing_key,
            "accounts": [asdict(each) for each in accounts.accounts],
        }
        write_bytes(folder / ACCOUNTS, orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n", mode=0o600)
    return accounts


def read_accounts(folder: Path) -> Accounts | None:
    """The accounts of the server in `folder`; None where it has none. Raises as `load_or_make_accounts`."""
    path = folder / ACCOUNTS
    if not path.exists():
        return None
    with store_errors(path), open_regular(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        data = file.read(_MAX_BYTES)
    if is_read_by_others(mode):
        raise ConfigError(
            f"{path} holds passwords and can be read by others",
            seen=oct(stat.S_IMODE(mode)),
            mend=f"chmod 600 {path}",
        )
    try:
        return _parse(orjson.loads(data))
    except (orjson.JSONDecodeError, KeyError, TypeError, StopIteration) as exc:
        raise StoreError(
            f"{path} does not hold the accounts of a server",
            mend="Remove it, and the next start makes new passwords and keys for the same annotators.",
        ) from exc


def _parse(value: Mapping[str, Any]) -> Accounts:
    if value["scheme"] != _SCHEME:
        raise KeyError("scheme")
    found = Accounts(
        workspace=str(value["workspace"]),
        signing_key=str(value["signing_key"]),
        accounts=tuple(Account(**each) for each in value["accounts"]),
    )
    _ = found.owner
    return found


def _make(username: str, role: str) -> Account:
    # 96 and 256 bits: a person types the first one in
    return Account(username, role, secrets.token_urlsafe(12), secrets.token_urlsafe(32))
