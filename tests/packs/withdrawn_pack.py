"""A pack, a list that withdraws rows of it, and the pack issued again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from synth_stack.packs.reissue import reissue_pack
from synth_stack.packs.signers import local_signer
from synth_stack.packs.tombstones import revoke

WHEN = datetime(2026, 11, 30, 5, tzinfo=UTC)


def withdraw(folder: Path, **select: Sequence[str]) -> Path:
    """`folder`/revoked.jsonl with one more tombstone, by the key of the pack in `folder`."""
    path = folder / "revoked.jsonl"
    revoke(path, select, who="Data desk", why="a request", when=WHEN, key_path=folder / "key.pem")
    return path


def issue_again(folder: Path, out: str = "again", ledger: Path | None = None, pack: str = "pack") -> Path:
    """`folder`/pack issued again without what `folder`/revoked.jsonl withdraws."""
    signer = local_signer(folder / "key.pem")
    reissue_pack(folder / pack, folder / out, folder / "revoked.jsonl", signer=signer, ledger=ledger)
    return folder / out
