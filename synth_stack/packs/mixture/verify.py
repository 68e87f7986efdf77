"""Whether a mixture is what was signed: every pack in it, and all that is said of them computed again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from synth_stack.errors import ConfigError, InputError, VerificationError
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.disclosure.documents import render_documents
from synth_stack.packs.mixture.card import render_card
from synth_stack.packs.mixture.contents import (
    MixedPack,
    describe_mixture,
    disclose_mixture,
    find_clashes,
    find_forbidden,
    find_revoked_in,
    open_packs,
)
from synth_stack.packs.mixture.listing import list_mixture
from synth_stack.packs.mixture.seal import open_mixture
from synth_stack.packs.record_lookup import is_indexed
from synth_stack.packs.refusals import raise_refusals, to_error
from synth_stack.packs.statement import Seal, digest_pack_file, read_file
from synth_stack.packs.verify.recount import MAX_CARD_BYTES, check_verifier, compare_bytes
from synth_stack.packs.verify.verify import (
    BatchPlace,
    Check,
    ExpectedSigner,
    MixturePart,
    RowProof,
    SignatureCheck,
    Verification,
    describe_trust,
    find_place,
    verify_row,
)
from synth_stack.packs.verify_pack import LedgerChain
from synth_stack.runs.folder import MANIFEST


def inspect_mixture(folder: Path, signer: ExpectedSigner) -> Verification:
    """The checks of a mixture, with everything that is wrong. No table is opened while a name, a size or a
    digest is wrong. The packs may be of any keys: who must have signed is asked of the mixture.
    """
    _refuse_identity(signer)
    sizes, sources, problems = list_mixture(folder)
    if problems:
        return Verification(folder, problems=tuple(problems))
    try:
        seal = open_signed_mixture(folder, signer)
    except VerificationError as exc:
        return Verification(folder, problems=(exc,))
    packs: list[MixedPack] = []
    place: BatchPlace | None = None
    parts: tuple[LedgerChain, ...] = ()
    try:
        problems = _compare_files(folder, sizes, seal)
        place = None if problems else find_place(folder, sizes, seal)
        if not problems:
            packs, problems = open_packs([(source, folder / source) for source in sources])
        problems = problems or find_clashes(packs)
        problems = problems or _compare_statements(folder, packs, seal)
        parts = tuple(chain for pack in packs if (chain := pack.read_chain()) is not None)
    except VerificationError as exc:
        problems = [exc]
    rows = sum(pack.told.data.rows for pack in packs)
    checks = (Check("files", len(sizes)), Check("packs", len(packs)), Check("accepted rows", rows))
    bundles = [verify_pack.describe_inner_bundle(pack.folder) for pack in packs if pack.seal.has_bundle]
    return Verification(
        folder,
        checks=() if problems else checks,
        warnings=(*describe_trust(seal, signer), verify_pack.MIXED_KEYS_NOTE, *bundles),
        problems=tuple({str(problem): problem for problem in problems}.values()),
        root=seal.head.root.hex(),
        key_id=seal.key_id,
        place=None if problems else place,
        parts=parts,
        cosigners=seal.cosigners,
        signature=SignatureCheck.of(seal, signer),
    )


def open_signed_mixture(folder: Path, signer: ExpectedSigner) -> Seal:
    """What the signature of a mixture says, once whoever must have signed it has; no other file is opened.

    Raises VerificationError, and ConfigError for an identity, which no mixture is signed by.
    """
    _refuse_identity(signer)
    return open_mixture(folder, signer.get("expected_key"), signer.get("signers"))


def list_packs(folder: Path) -> list[MixedPack]:
    """The packs of a mixture that was verified."""
    _, sources, _ = list_mixture(folder)
    return open_packs([(source, folder / source) for source in sources])[0]


def compare_revoked(found: Verification, revoked: Path) -> Verification:
    """The verification of a sound mixture with what a list withdraws from it."""
    try:
        rows = find_revoked_in(list_packs(found.path), revoked)
    except VerificationError as exc:
        return replace(found, checks=(), problems=(exc,))
    if not rows:
        return replace(found, checks=(*found.checks, Check("rows that are withdrawn", 0)))
    problems = tuple(
        VerificationError(f"{folder}: {len(there):,} accepted rows are withdrawn by {revoked}")
        for folder, there in rows.items()
    )
    gone = {row_id: cause for there in rows.values() for row_id, cause in there.items()}
    return replace(found, checks=(), problems=problems, withdrawn=gone)


def verify_mixed_row(folder: Path, row_id: str, signer: ExpectedSigner) -> RowProof:
    """The proof of one row by its own pack, whose statement the mixture signs; nothing else is checked.

    Raises InputError for a row that no pack has, and for a beginning of an id that two have;
    VerificationError.
    """
    seal = open_signed_mixture(folder, signer)
    sizes, sources, problems = list_mixture(folder)
    if problems:
        raise problems[0]
    proofs: list[RowProof] = []
    near = [source for source in sources if is_indexed(folder / source, row_id)]
    for source in near or sources:
        try:
            proof = verify_row(folder / source, row_id, expected_key=_find_key(seal, source))
        except InputError:
            continue
        name = f"{source}/{layout.STATEMENT}"
        if seal.subjects.get(name) != digest_pack_file(folder, name, sizes[name]):
            raise VerificationError(f"{name} is not the one that the mixture signs")
        notes = (*describe_trust(seal, signer), verify_pack.MIXED_KEYS_NOTE, *proof.warnings)
        part = MixturePart(source, seal.head.root.hex(), seal.key_id)
        signature = SignatureCheck.of(seal, signer)
        proofs.append(replace(proof, warnings=notes, mixture=part, signature=signature))
    if len(proofs) != 1:
        many = "several rows" if proofs else "no row"
        raise InputError(f"{folder} has {many} of that id", seen=row_id)
    return proofs[0]


def _find_key(seal: Seal, source: str) -> str | None:
    """The key of a pack, as the mixture signed it."""
    named = (str(pack["key_id"]) for pack in seal.predicate["packs"] if pack.get("folder") == source)
    return next(named, None)


def _refuse_identity(signer: ExpectedSigner) -> None:
    if signer.get("identity") is not None or signer.get("issuer") is not None:
        raise ConfigError("a mixture is signed with keys: no identity vouches for it")


def _compare_files(folder: Path, sizes: Mapping[str, int], signed: Seal) -> list[VerificationError]:
    """Names, bytes and digests against the manifest and the statement."""
    with raise_refusals():
        manifest = verify_pack.read_manifest(folder)
        faults = verify_pack.compare_sizes(sizes, manifest["files"], signed.predicate["bytes"])
    if faults:
        return [to_error(fault) for fault in faults.values()]
    problems = []
    for name, size in sizes.items():
        if name == MANIFEST:
            continue
        digest = digest_pack_file(folder, name, size)
        if name not in layout.UNSIGNED and signed.subjects.get(name) != digest:
            problems.append(
                VerificationError(f"{name} was changed: it is not the file that {layout.STATEMENT} lists")
            )
        elif manifest["files"][name]["sha256"] != digest:
            problems.append(VerificationError(f"{MANIFEST} does not list {name} as it was signed"))
    missing = sorted({*signed.subjects} - {*sizes})
    problems += [VerificationError(f"{name} is missing") for name in missing]
    if not problems and manifest["facts"] != verify_pack.build_mixture_facts(signed.predicate):
        problems.append(VerificationError(f"{MANIFEST}: its facts are not those that were signed"))
    return problems


def _compare_statements(folder: Path, packs: Sequence[MixedPack], signed: Seal) -> list[VerificationError]:
    """What statement, card and documents say otherwise than the packs give."""
    said = signed.predicate
    problems = find_forbidden(packs, said["purpose"])
    expected = describe_mixture(packs, said["name"], said["purpose"], said["synth_stack"])
    problems += [
        VerificationError(
            f"{layout.STATEMENT}: its {key} is not what the packs give", seen=said[key], allowed=repr(value)
        )
        for key, value in expected.items()
        if said[key] != value
    ]
    told = disclose_mixture(packs, said["name"], signed.key_id)
    card = render_card(packs, told, said["purpose"], said["ledger"]).encode("utf-8")
    files = {layout.CARD: card, **render_documents(told)}
    problems += check_verifier(folder)
    return problems + [
        problem
        for name, data in files.items()
        for problem in compare_bytes(name, read_file(folder, name, max_bytes=MAX_CARD_BYTES), data)
    ]
