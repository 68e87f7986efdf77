"""A finished folder under its name, in one step where the system can."""

import glob
import secrets
import shutil
from pathlib import Path

from synth_stack.files import exchange_names, sync_folder


def publish(staging: Path, out: Path, suffix: str) -> None:
    """Give the folder `staging` the name `out`: in one step with an older folder where the system can
    exchange two names, else the older one goes away first, under a name that `remove_leftovers` finds.
    """
    if out.exists() and not exchange_names(staging, out):
        out.rename(out.with_name(f".{out.name}.{secrets.token_hex(4)}.{suffix}"))
    if not out.exists():
        staging.rename(out)
    sync_folder(out.parent)
    remove_leftovers(out, suffix)


def remove_leftovers(out: Path, suffix: str, keep: Path | None = None) -> None:
    """Delete what earlier tries left beside `out`, but `keep`."""
    for path in out.parent.glob(f".{glob.escape(out.name)}.????????.{suffix}"):
        if path != keep:
            shutil.rmtree(path)
