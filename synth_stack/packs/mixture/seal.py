"""The signed statement of a mixture: what it covers, and whether a key signed it."""

from collections.abc import Sequence
from pathlib import Path

from synth_stack.lineage.merkle import TreeHead
from synth_stack.packs import verify_pack
from synth_stack.packs.refusals import raise_refusals
from synth_stack.packs.statement import Seal


def open_mixture(
    folder: Path, expected_key: str | None = None, signers: tuple[int, Sequence[str]] | None = None
) -> Seal:
    """What the signature of a mixture says, once it is checked; no other file is opened.

    Its head is that of the tree over the statements of the packs. Raises VerificationError naming the file
    that is wrong.
    """
    with raise_refusals():
        signed = verify_pack.open_statement(folder, expected_key)
        verify_pack.check_mixture(signed)
        cosigners = verify_pack.check_cosigners(folder, signed)
        if signers is not None:
            verify_pack.require_signers(signed, cosigners, *signers)
    tree = signed.predicate["tree"]
    return Seal(
        TreeHead(tree["size"], bytes.fromhex(tree["root"])),
        signed.predicate,
        {name: digest for name, digest in signed.subjects.items() if name != verify_pack.PACKS_SUBJECT},
        signed.key_id,
        signed.statement,
        has_bundle=False,
        identity_checked=False,
        cosigners=cosigners,
    )
