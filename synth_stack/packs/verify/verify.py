"""Whether a pack, or one row of it, is what was signed.

Works offline and trusts nothing but, where one is given, the expected key or identity. The signature and
the files are checked before any table is opened, so only who signed a pack chooses what is parsed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack

import orjson

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.files import store_errors, use_system_pool
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES
from synth_stack.lineage.ledger import grow_head
from synth_stack.lineage.merkle import leaf_hash, prove_from_tiles
from synth_stack.lineage.transparency import verify_sigstore
from synth_stack.lineage.verify import check_row, verify_record
from synth_stack.packs import layout
from synth_stack.packs.counts import Counts
from synth_stack.packs.data_rows import find_row_by_id
from synth_stack.packs.images import list_image_names
from synth_stack.packs.mixture.listing import is_mixture
from synth_stack.packs.record_lookup import find_record
from synth_stack.packs.splits import ADVERSARIAL, refuse_stray
from synth_stack.packs.statement import (
    CheckBundle,
    Seal,
    check_place,
    open_seal,
    read_file,
    read_rule,
    read_withdrawn,
)
from synth_stack.packs.verify.contents import check_contents
from synth_stack.packs.verify.files import compare_files
from synth_stack.packs.verify.images import check_images, explain_changes
from synth_stack.packs.verify.provenance import Origins, check_locks, read_seed_ids
from synth_stack.packs.verify.recount import check_statements, read_locks
from synth_stack.packs.verify_pack import (
    LOCAL_NOTE,
    LedgerChain,
    Withdrawn,
    describe_identity,
    describe_signature,
)
from synth_stack.runs.folder import identity_line
from synth_stack.runs.locks import RecipeLock
from synth_stack.text.printable import describe_verdict, show

Json = dict[str, Any]


class ExpectedSigner(TypedDict, total=False):
    """Who must have signed: a key id, or an identity that `issuer` vouches for (with `trust_config`, where it
    is not the public sigstore instance); or so many `signers` of those keys, by their ids.
    """

    expected_key: str | None
    identity: str | None
    issuer: str | None
    trust_config: Path | None
    signers: tuple[int, Sequence[str]] | None


@dataclass(frozen=True, slots=True)
class Check:
    """A check that passed, and how many things it looked at."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """Where a pack stands in a ledger: after `previous`, the leaf hashes of the batches before; its own is
    `leaf`.
    """

    previous: tuple[bytes, ...]
    leaf: bytes

    @property
    def head(self) -> str:
        """The root of the ledger with this batch, in hexadecimal."""
        return grow_head([*self.previous, self.leaf]).root.hex()


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """What of a signature was checked: whether the key, or keys, are those that were asked for; whether an
    identity signed too, and who, where it was checked.
    """

    key_checked: bool = False
    has_bundle: bool = False
    identity: str | None = None

    @classmethod
    def of(cls, seal: Seal, signer: ExpectedSigner) -> "SignatureCheck":
        """Of a seal that was opened with that `signer`."""
        named = signer.get("expected_key") is not None or signer.get("signers") is not None
        return cls(named, seal.has_bundle, name_identity(signer) if seal.identity_checked else None)

    def to_json(self) -> Json:
        """The same as plain JSON."""
        checked = {"key_checked": self.key_checked, "bundle": self.has_bundle}
        return {**checked, "identity_checked": self.identity is not None, "identity": self.identity}

    def lines(self, root: str | None, key_id: str | None) -> list[str]:
        """Whether an identity signed and was checked, the signed root, and which key signed."""
        identity = describe_identity(self.has_bundle, self.identity)
        return [f"identity {identity}", *describe_signature(root, key_id, self.key_checked)]


@dataclass(frozen=True, slots=True)
class Verification:
    """What the checks of a pack gave. It is verified when there are no `problems`.

    `checks` passed; `warnings` are what they cannot prove. `root` and `key_id` are None where the
    signature could not be read, `counts` where the rows could not be counted, `place` without a ledger.
    `withdrawn` are rows that a list of tombstones meets, with the selector. Of a mixture, `parts` are the
    places of its packs in ledgers.
    """

    path: Path
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[VerificationError, ...] = ()
    root: str | None = None
    key_id: str | None = None
    counts: Counts | None = None
    place: BatchPlace | None = None
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    cosigners: tuple[str, ...] = ()
    parts: tuple[LedgerChain, ...] = ()
    signature: SignatureCheck | None = None

    def to_json(self) -> Json:
        """The same as plain JSON; `counts` are those that are signed."""
        return {
            "path": str(self.path),
            "verified": not self.problems,
            "checks": {check.name: check.count for check in self.checks},
            "warnings": list(self.warnings),
            "problems": [str(problem) for problem in self.problems],
            "root": self.root,
            "key_id": self.key_id,
            "signature": None if self.signature is None else self.signature.to_json(),
            "cosigners": list(self.cosigners),
            "counts": None if self.counts is None else self.counts.to_predicate(),
            "withdrawn": dict(self.withdrawn),
            "ledger": None
            if self.place is None
            else {"sequence": len(self.place.previous), "head": self.place.head},
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        return show(
            *(f"wrong    {problem}" for problem in self.problems),
            *(f"gone     {row_id} by {cause}" for row_id, cause in self.withdrawn.items()),
            *(f"ok       {check.count:,} {check.name}" for check in self.checks),
            *(f"note     {warning}" for warning in self.warnings),
            *(["identity not checked: no signature could be read"] if self.signature is None else []),
            *([] if self.signature is None else self.signature.lines(self.root, self.key_id)),
            *(f"cosigner {each}" for each in self.cosigners),
            *([f"ledger   batch {len(self.place.previous):,}, head {self.place.head}"] if self.place else []),
        )


@dataclass(frozen=True, slots=True)
class MixturePart:
    """A pack in a mixture: its folder, and root and key of the mixture."""

    folder: str
    root: str
    key_id: str

    def line(self, root: str, key_id: str) -> str:
        """The pack for a person, with its own root and key."""
        return f"pack     {self.folder}, with the root {root} and the key {key_id}"


@dataclass(frozen=True, slots=True)
class RowProof:
    """One row, proved against the signature alone: leaf `index` of a tree of `size` leaves.

    The decision and the `verdicts` are those of the record, in the order of work. `in_data` says that the row
    itself was compared too, which only an accepted one can be. `mixture` is where the pack that proves it
    lies, in a mixture; `signature` is then what was checked of the mixture's.
    """

    row_id: str
    decision: str
    gate: str | None
    reason: str | None
    reason_class: str | None
    replaced_by: str | None
    verdicts: tuple[Mapping[str, Any], ...]
    in_data: bool
    index: int
    size: int
    proof: tuple[str, ...]
    root: str
    key_id: str
    warnings: tuple[str, ...]
    signature: SignatureCheck
    mixture: MixturePart | None = None

    def to_json(self) -> Json:
        """The same as plain JSON."""
        plain: Json = orjson.loads(orjson.dumps(self))
        return {**plain, "signature": self.signature.to_json()}

    def lines(self) -> list[str]:
        """The same for a person."""
        by = f" by {self.gate}: {self.reason}" if self.gate else ""
        what = "row and record" if self.in_data else "record (the row itself is not in a pack)"
        return show(
            f"row      {self.row_id}",
            f"decision {self.decision}{by}",
            *(f"verdict  {describe_verdict(verdict)}" for verdict in self.verdicts),
            f"proved   {what}: leaf {self.index:,} of {self.size:,}, {len(self.proof)} hashes to the root",
            *(f"note     {warning}" for warning in self.warnings),
            *([] if self.mixture is None else [self.mixture.line(self.root, self.key_id)]),
            *self.signature.lines(*_name_signed(self)),
        )


def _name_signed(proof: RowProof) -> tuple[str, str]:
    """Root and key of what was asked about: the pack, or the mixture that it lies in."""
    whole = proof if proof.mixture is None else proof.mixture
    return whole.root, whole.key_id


def verify_pack(pack: str | Path, **signer: Unpack[ExpectedSigner]) -> Verification:
    """The checks that a pack passed. Raises VerificationError naming the first file or row that is wrong.

    Raises ConfigError for arguments that cannot be used.
    """
    result = inspect_pack(pack, **signer)
    if result.problems:
        raise result.problems[0]
    return result


def inspect_pack(pack: str | Path, **signer: Unpack[ExpectedSigner]) -> Verification:
    """As `verify_pack`, with every problem collected instead of the first one raised.

    The tables are not opened while a file or the signature is wrong. Of a mixture every pack is verified.
    """
    folder = Path(pack)
    if is_mixture(folder):
        from synth_stack.packs.mixture.verify import inspect_mixture

        return inspect_mixture(folder, signer)
    return _inspect_pack(folder, signer)


@use_system_pool()
def _inspect_pack(pack: Path, signer: ExpectedSigner) -> Verification:
    check_bundle = _choose_identity(signer)
    sizes, problems, left_by_hub = _list_files(pack)
    names = list(sizes)
    seal, seal_problem = None, None
    try:
        seal = _open_seal(pack, check_bundle, signer)
    except VerificationError as exc:
        seal_problem = exc
    problems += compare_files(pack, sizes, seal, seal_problem)
    warnings = explain_changes(pack, problems)
    warnings += [f"{name} was left by the Hub and is no part of the pack" for name in left_by_hub]
    checks, counts, place = [Check("files", len(names))], None, None
    if seal is not None and not problems:
        warnings += describe_trust(seal, signer)
        try:
            locks = read_locks(pack)
            rule = read_rule(locks[1])
            check_locks(*locks)
            place = find_place(pack, sizes, seal)
            withdrawn = read_withdrawn(pack, sizes, seal)
            origins = _open_origins(pack, sizes, locks[0], withdrawn)
            people = None
            if layout.has_review(names):
                from synth_stack.packs.verify.review import ReviewedRows

                people = ReviewedRows(rule.order)
            contents = check_contents(
                pack, names, seal, rule=rule, origins=origins, people=people, withdrawn=withdrawn
            )
            problems, review, redrawn = contents.problems, None, 0
            if not problems and people is not None:
                gates = identity_line(read_file(pack, layout.GATES, max_bytes=MAX_FILE_BYTES))
                from synth_stack.packs.verify.review import check_review

                review, redrawn, problems = check_review(
                    pack, names, people.finish(), locks[0], gates.removeprefix("identity: ")
                )
            if not problems:
                counts, problems = check_statements(pack, seal, locks, contents.tally, review=review)
                wrong, unread = check_images(pack, names, seal)
                problems, warnings = [*problems, *wrong], [*warnings, *unread]
        except VerificationError as exc:
            problems = [exc]
        else:
            checks += [
                Check("lineage records", seal.head.size),
                Check("decisions", contents.decisions),
                Check("accepted rows", sum(contents.rows.values())),
            ]
            checks += [Check("images", len(found)) for found in [list_image_names(names)] if found]
            if redrawn:
                checks.append(Check("rows of the review drawn again", redrawn))
            checks += [] if withdrawn is None else [Check("withdrawn rows gone", len(withdrawn.rows))]
            if contents.rows[ADVERSARIAL]:
                checks.append(Check("adversarial rows", contents.rows[ADVERSARIAL]))
    return Verification(
        path=pack,
        checks=() if problems else tuple(checks),
        warnings=tuple(warnings),
        problems=tuple({str(problem): problem for problem in problems}.values()),
        root=None if seal is None else seal.head.root.hex(),
        key_id=None if seal is None else seal.key_id,
        counts=counts,
        place=None if problems else place,
        cosigners=() if seal is None else seal.cosigners,
        signature=None if seal is None else SignatureCheck.of(seal, signer),
    )


def open_signed(pack: Path, signer: ExpectedSigner) -> Seal:
    """What the signature of a pack says, once whoever must have signed it has; no other file is opened.

    Raises VerificationError, and ConfigError for arguments that cannot be used.
    """
    return _open_seal(pack, _choose_identity(signer), signer)


def _open_seal(pack: Path, check_bundle: CheckBundle | None, signer: ExpectedSigner) -> Seal:
    expected_key, signers = signer.get("expected_key"), signer.get("signers")
    return open_seal(pack, expected_key=expected_key, check_bundle=check_bundle, signers=signers)


def _open_origins(
    pack: Path, sizes: Mapping[str, int], recipe: RecipeLock, withdrawn: Withdrawn | None
) -> Origins:
    left_out = withdrawn is not None and withdrawn.revocations.leaves_out_corpus
    return Origins(recipe, read_seed_ids(pack, sizes, recipe, left_out=left_out))


def find_place(pack: Path, sizes: Mapping[str, int], seal: Seal) -> BatchPlace | None:
    """The place of a pack in its ledger; None without one. Raises VerificationError."""
    previous = check_place(pack, sizes, seal)
    return None if previous is None else BatchPlace(tuple(previous), leaf_hash(seal.statement))


def verify_row(pack: Path, row_id: str, **signer: Unpack[ExpectedSigner]) -> RowProof:
    """The proof of one row, from the signature, its record, its path in the tiles and, if it was accepted,
    the row itself; nothing else of the pack is checked.

    `row_id` may be a prefix of at least 8 characters. Raises InputError for a row that the pack does not
    have, VerificationError for one that is not what was signed.
    """
    if is_mixture(pack):
        from synth_stack.packs.mixture.verify import verify_mixed_row

        return verify_mixed_row(pack, row_id, signer)
    check_bundle = _choose_identity(signer)
    sizes, faults, _ = _list_files(pack)
    names = list(sizes)
    if faults:
        raise faults[0]
    seal = _open_seal(pack, check_bundle, signer)
    size, root = seal.head.size, seal.head.root
    row_id, index, data = find_record(pack, row_id, size)
    proof = prove_from_tiles(pack / layout.TILES, index, size)
    record = verify_record(data, row_id=row_id, index=index, size=size, proof=proof, root=root)
    withdrawn = read_withdrawn(pack, sizes, seal)
    is_gone = withdrawn is not None and row_id in withdrawn.rows
    accepted = record["decision"]["decision"] == "accepted" and not is_gone
    if accepted:
        name, row = _find_accepted(pack, names, row_id, share=index / size)
        check_row(row, record, where=name)
    return RowProof(
        row_id=row_id,
        **record["decision"],
        verdicts=tuple(record["verdicts"]),
        in_data=accepted,
        index=index,
        size=size,
        proof=tuple(node.hex() for node in proof),
        root=root.hex(),
        key_id=seal.key_id,
        warnings=(
            *(
                ["accepted then and withdrawn since: the row is in no data file of this pack"]
                if is_gone
                else []
            ),
            *describe_trust(seal, signer),
        ),
        signature=SignatureCheck.of(seal, signer),
    )


def check_identity(statement: bytes, bundle: str | None, signer: ExpectedSigner) -> bool:
    """Whether the identity that `signer` names was checked: it signed the statement in `bundle`.

    Raises VerificationError where it did not, ConfigError for arguments that cannot be used.
    """
    check = _choose_identity(signer)
    if check is None:
        return False
    if bundle is None:
        raise VerificationError("it was signed with a local key, and no identity vouches for it")
    if check(bundle.encode()) != statement:
        raise VerificationError("the sigstore bundle signs another statement")
    return True


def _list_files(pack: Path) -> tuple[dict[str, int], list[VerificationError], list[str]]:
    with store_errors(pack):
        is_folder = pack.is_dir()
    if not is_folder:
        raise VerificationError(f"{pack} is not a folder", mend="Name the folder of a pack.")
    return layout.list_pack_files(pack)


def _find_accepted(pack: Path, names: list[str], row_id: str, share: float) -> tuple[str, Mapping[str, Any]]:
    """The row and its file. `train` is read first, where a row that belongs elsewhere does harm; and there
    what stands after that `share` of the rows, since accepted rows keep the order of the records.
    """
    for split, files in layout.list_data(names).items():
        found = find_row_by_id(pack, files, row_id, share)
        if found is not None:
            refuse_stray(found[1], split, name=found[0])
            return found
    raise VerificationError(f"row {row_id} was signed as accepted and is not in data/")


def _choose_identity(signer: ExpectedSigner) -> CheckBundle | None:
    identity, issuer, trust = signer.get("identity"), signer.get("issuer"), signer.get("trust_config")
    if identity is None and issuer is None:
        if trust is not None:
            raise ConfigError("a trust config without --identity and --issuer checks nothing")
        return None
    if identity is None or issuer is None:
        raise ConfigError("--identity and --issuer go together", seen=identity or issuer)
    who, vouched_by = identity, issuer

    def check(bundle: bytes) -> bytes:
        return verify_sigstore(bundle, identity=who, issuer=vouched_by, trust_config=trust)

    return check


def name_identity(signer: ExpectedSigner) -> str:
    """Who must have signed, as people read it."""
    return f"{signer.get('identity')}, by {signer.get('issuer')}"


def describe_trust(seal: Seal, signer: ExpectedSigner) -> list[str]:
    """What the signature does not prove, in sentences."""
    known = signer.get("expected_key") is not None or signer.get("signers") is not None
    if seal.identity_checked or (known and not seal.has_bundle):
        return []
    if seal.has_bundle:
        return show(
            "signed with sigstore, and the identity was not checked: name it with --identity and --issuer"
        )
    return [LOCAL_NOTE]
