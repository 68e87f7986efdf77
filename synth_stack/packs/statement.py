"""The seal of a pack: the signed statement, the list of its files, and whether the files are those."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.lineage.merkle import TreeHead
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.counts import Counts
from synth_stack.packs.refusals import raise_refusals
from synth_stack.packs.verify_pack import SignedRule
from synth_stack.runs.locks import DialLock, GatesLock, is_strict, read_action

Json = dict[str, Any]
CheckBundle = Callable[[bytes], bytes]
"""The statement that a sigstore bundle signs, once its identity is checked; raises VerificationError."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Seal:
    """What a pack's signature says. `subjects` maps each signed file to its SHA-256.

    `has_bundle` says that an identity signed too, and `identity_checked` that it is the expected one;
    `cosigners` are the ids of further keys whose signatures were checked.
    """

    head: TreeHead
    predicate: Mapping[str, Any]
    subjects: Mapping[str, str]
    key_id: str
    statement: bytes
    has_bundle: bool
    identity_checked: bool
    cosigners: tuple[str, ...] = ()


def build_predicate(
    *,
    identity: str,
    version: str,
    signature: str,
    head: TreeHead,
    context: Mapping[str, str],
    lock: GatesLock,
    counts: Counts,
    sizes: Mapping[str, int],
    place: Json | None,
    withdrawn: Json | None = None,
    cosigners: Sequence[str] = (),
) -> Json:
    """What is signed beside the digests: of which run, by what, how many rows, what became of them and by
    which rule, the bytes of each file, the `place` of the batch in a ledger (None without one), and what was
    `withdrawn` from it since an earlier issue, and the ids of keys that sign it too (`cosigners`).
    """
    return {
        "scheme": layout.PACK_SCHEME,
        "run": identity,
        "synth_stack": version,
        "signature": signature,
        "tree": {"size": head.size, "root": head.root.hex()},
        **context,
        **describe_rule(lock),
        "counts": counts.to_predicate(),
        "ledger": place,
        "withdrawn": withdrawn,
        "cosigners": list(cosigners),
        "bytes": dict(sizes),
    }


def describe_rule(lock: GatesLock) -> Json:
    """`rule` and `gates` of a statement: what every decision is computed from, without a YAML reader.

    Of each gate the dials on the score of its verdicts, with what becomes of a row beyond them.
    """
    gates = [
        {
            "gate": gate.use,
            "all": gate.all,
            "canaries": gate.canaries,
            "dials": [_describe_dial(dial, gate.params) for dial in gate.dials if dial.score == "score"],
        }
        for gate in lock.gates
    ]
    return {"rule": lock.rule.model_dump(), "gates": gates}


def read_rule(lock: GatesLock) -> SignedRule:
    """The rule of a gate lock. Raises VerificationError for one that is not of its gates, in their order."""
    with raise_refusals():
        return verify_pack.read_rule(describe_rule(lock), layout.GATES)


def _describe_dial(dial: DialLock, params: Mapping[str, Any]) -> Json:
    return {
        "rejects": dial.rejects,
        "threshold": dial.threshold,
        "action": read_action(dial, params),
        "classes": list(dial.classes),
        "strict": is_strict(dial, params),
    }


def build_facts(predicate: Mapping[str, Any]) -> Json:
    """The facts of the manifest: what the statement says, for a reader who only lists packs."""
    return verify_pack.build_facts(predicate)


def read_file(pack: Path, name: str, *, max_bytes: int) -> bytes:
    """The bytes of one file of a pack. Raises VerificationError for a larger one, or none."""
    with raise_refusals():
        return verify_pack.read_bounded(pack, name, max_bytes)


def read_manifest(pack: Path) -> Json:
    """MANIFEST.json as {scheme, facts, files: {name: {sha256, bytes}}}, in the form that was written.

    Raises VerificationError for any other, and for a byte that is not the canonical one.
    """
    with raise_refusals():
        return verify_pack.read_manifest(pack)


def open_seal(
    pack: Path,
    *,
    expected_key: str | None = None,
    check_bundle: CheckBundle | None = None,
    signers: tuple[int, Sequence[str]] | None = None,
) -> Seal:
    """What the signature of a pack says, once it is checked; no other file is opened.

    Raises VerificationError naming the file that is wrong, and ConfigError for an `expected_key` that is
    no key id.
    """
    if expected_key is not None and not _SHA256.fullmatch(expected_key):
        raise ConfigError(
            "the expected key is not a key id", seen=expected_key, allowed="64 lower-case hexadecimal digits"
        )
    with raise_refusals():
        signed = verify_pack.open_statement(pack, expected_key)
        verify_pack.check_predicate(signed)
        cosigners = verify_pack.check_cosigners(pack, signed)
        if signers is not None:
            verify_pack.require_signers(signed, cosigners, *signers)
    tree = signed.predicate["tree"]
    head = TreeHead(tree["size"], bytes.fromhex(tree["root"]))
    subjects = {name: digest for name, digest in signed.subjects.items() if name != layout.ROWS_SUBJECT}
    has_bundle = signed.predicate["signature"] == "sigstore"
    checked = _check_bundle(pack, signed.statement, has_bundle, check_bundle)
    return Seal(
        head, signed.predicate, subjects, signed.key_id, signed.statement, has_bundle, checked, cosigners
    )


def digest_pack_file(pack: Path, name: str, size: int) -> str:
    """SHA-256 of one file of a pack that has `size` bytes, read once. Raises VerificationError."""
    with raise_refusals():
        return verify_pack.digest_bounded(pack, name, size)


def check_place(pack: Path, sizes: Mapping[str, int], seal: Seal) -> list[bytes] | None:
    """The leaf hashes of the batches before this one in its ledger, if they give the head that was signed;
    None for a pack without a ledger. Raises VerificationError.
    """
    with raise_refusals():
        return verify_pack.check_ledger(pack, sizes, seal.predicate["ledger"])


def read_withdrawn(pack: Path, sizes: Mapping[str, int], seal: Seal) -> verify_pack.Withdrawn | None:
    """The rows that were withdrawn from a reissued pack, if its list withdraws these; None for any other.
    Raises VerificationError.
    """
    with raise_refusals():
        return verify_pack.check_withdrawn(pack, sizes, seal.predicate["withdrawn"], seal.key_id)


def _check_bundle(pack: Path, statement: bytes, has_bundle: bool, check: CheckBundle | None) -> bool:
    """Whether an identity was checked. The bundle must sign the very statement that the key signed."""
    if not has_bundle:
        if (pack / layout.BUNDLE).exists():
            raise VerificationError(f"{layout.BUNDLE} does not belong to a pack signed with a key alone")
        if check is not None:
            raise VerificationError(
                f"{layout.STATEMENT} was signed with a local key, and no identity vouches for it",
                mend="Ask the publisher for a pack signed with sigstore, or check the key with --key-id.",
            )
        return False
    bundle = read_file(pack, layout.BUNDLE, max_bytes=verify_pack.MAX_SEAL_BYTES)
    try:
        signed = check(bundle) if check is not None else _read_payload(bundle)
    except VerificationError as exc:
        raise VerificationError(f"{layout.BUNDLE}: {exc}") from exc
    if signed != statement:
        raise VerificationError(f"{layout.BUNDLE} signs another statement than {layout.STATEMENT}")
    return check is not None


def _read_payload(bundle: bytes) -> bytes:
    try:
        with raise_refusals():
            value = verify_pack.parse_json(bundle, "it")
        match value:
            case {"dsseEnvelope": {"payload": str(payload)}}:
                return base64.b64decode(payload, validate=True)
    except ValueError as exc:
        raise VerificationError(f"it is not JSON with base64: {exc}") from exc
    raise VerificationError("it holds no DSSE envelope")
