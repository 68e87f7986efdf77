"""The signed statement of a mixture: what it covers, and whether a key signed it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth_stack.errors import VerificationError
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.mixture.contents import MIXTURE_SCHEME
from synth_stack.packs.refusals import raise_refusals
from synth_stack.packs.verify_pack import SignedStatement

ROOT_SUBJECT = "packs"
"""The one subject that is no file: the Merkle root over the statements of the packs."""
_KEYS = ("scheme", "synth_stack", "name", "purpose", "tree", "packs", "counts", "cosigners", "bytes")


def open_mixture(
    folder: Path, expected_key: str | None, signers: tuple[int, Sequence[str]] | None
) -> tuple[SignedStatement, tuple[str, ...]]:
    """The statement, its signatures checked, and the ids of the further keys that signed.

    Raises VerificationError naming the file that is wrong.
    """
    with raise_refusals():
        signed = verify_pack.open_statement(folder, expected_key)
        _require_shape(signed.predicate)
        if signed.subjects.get(ROOT_SUBJECT) != signed.predicate["tree"].get("root"):
            raise VerificationError(f"{layout.STATEMENT} names two different roots, or none")
        cosigners = verify_pack.check_cosigners(folder, signed)
        if signers is not None:
            verify_pack.require_signers(signed, cosigners, *signers)
    return signed, cosigners


def build_facts(predicate: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the manifest: what the statement says, for a reader who only lists folders."""
    return {
        "scheme": predicate["scheme"],
        "root": predicate["tree"]["root"],
        "packs": len(predicate["packs"]),
        "accepted": predicate["counts"]["rows"],
    }


def _require_shape(said: Mapping[str, Any]) -> None:
    where = layout.STATEMENT
    if said.get("scheme") != MIXTURE_SCHEME:
        raise VerificationError(
            f"{where} is of another scheme", seen=said.get("scheme"), allowed=MIXTURE_SCHEME
        )
    shapes = {"tree": dict, "packs": list, "counts": dict, "cosigners": list, "bytes": dict, "name": str}
    wrong = [name for name, kind in shapes.items() if not isinstance(said.get(name), kind)]
    wrong += sorted({*said} ^ {*_KEYS})
    if wrong or not isinstance(said["synth_stack"], str) or "rows" not in said["counts"]:
        raise VerificationError(
            f"{where} does not say what a mixture's statement says: {', '.join(wrong) or 'counts'}"
        )
