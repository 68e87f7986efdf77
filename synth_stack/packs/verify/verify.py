"""Whether a pack, or one row of it, is what was signed.

Works offline and trusts nothing but, where one is given, the expected key or identity. The signature and
the files are checked before any table is opened, so only who signed a pack chooses what is parsed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.lineage.merkle import leaf_hash, prove_from_tiles, verify_inclusion
from synth_stack.lineage.record import RECORD_SCHEMA, parse_record
from synth_stack.lineage.transparency import verify_sigstore
from synth_stack.lineage.verify import verify_row as verify_row_record
from synth_stack.packs import layout
from synth_stack.packs.counts import Counts
from synth_stack.packs.shards import find_row, read_shard
from synth_stack.packs.splits import ADVERSARIAL, require_split
from synth_stack.packs.statement import CheckBundle, Seal, digest_pack_file, open_seal
from synth_stack.packs.verify.contents import check_contents
from synth_stack.packs.verify.files import compare_files
from synth_stack.packs.verify.recount import check_statements
from synth_stack.rows.row_ids import find_row_id
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import MANIFEST
from synth_stack.text.printable import describe_verdict, show

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """A check that passed, and how many things it looked at."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What the checks of a pack gave. It is verified when there are no `problems`.

    `checks` passed; `warnings` are what they cannot prove. `root` and `key_id` are None where the
    signature could not be read, `counts` where the rows could not be counted.
    """

    path: Path
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]
    problems: tuple[VerificationError, ...]
    root: str | None
    key_id: str | None
    counts: Counts | None

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
            "counts": None if self.counts is None else self.counts.to_predicate(),
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        return show(
            *(f"wrong    {problem}" for problem in self.problems),
            *(f"ok       {check.count:,} {check.name}" for check in self.checks),
            *(f"note     {warning}" for warning in self.warnings),
            *([f"root     {self.root}"] if self.root else []),
            *([f"key id   {self.key_id}"] if self.key_id else []),
        )


@dataclass(frozen=True, slots=True)
class RowProof:
    """One row, proved against the signature alone: leaf `index` of a tree of `size` leaves.

    `verdicts` are those of the record, in the order of work. `in_data` says that the row itself was
    compared too, which only an accepted one can be.
    """

    row_id: str
    decision: str
    gate: str | None
    reason: str | None
    verdicts: tuple[Mapping[str, Any], ...]
    in_data: bool
    index: int
    size: int
    proof: tuple[str, ...]
    root: str
    key_id: str
    warnings: tuple[str, ...]

    def to_json(self) -> Json:
        """The same as plain JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        lists = {name: list(plain[name]) for name in ("verdicts", "proof", "warnings")}
        return {**plain, **lists}

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
            f"root     {self.root}",
            f"key id   {self.key_id}",
        )


def verify_pack(
    pack: Path,
    *,
    expected_key: str | None = None,
    identity: str | None = None,
    issuer: str | None = None,
    trust_config: Path | None = None,
) -> Verification:
    """The checks that a pack passed. Raises VerificationError naming the first file or row that is wrong.

    `expected_key` is a key id; `identity` and `issuer` (with `trust_config`, where it is not the public
    sigstore instance) are who must have signed. Raises ConfigError for arguments that cannot be used.
    """
    result = inspect_pack(
        pack, expected_key=expected_key, identity=identity, issuer=issuer, trust_config=trust_config
    )
    if result.problems:
        raise result.problems[0]
    return result


def inspect_pack(
    pack: Path,
    *,
    expected_key: str | None = None,
    identity: str | None = None,
    issuer: str | None = None,
    trust_config: Path | None = None,
) -> Verification:
    """As `verify_pack`, with every problem collected instead of the first one raised.

    The tables are not opened while a file or the signature is wrong.
    """
    check_bundle = _choose_identity(identity, issuer, trust_config)
    names, problems, left_by_hub = _list_files(pack)
    digests = {name: digest_pack_file(pack / name) for name in names if name != MANIFEST}
    seal, seal_problem = None, None
    try:
        seal = open_seal(pack, expected_key=expected_key, check_bundle=check_bundle)
    except VerificationError as exc:
        seal_problem = exc
    problems += compare_files(pack, digests, seal, seal_problem)
    warnings = [f"{name} was left by the Hub and is no part of the pack" for name in left_by_hub]
    root, key = (None, None) if seal is None else (seal.head.root.hex(), seal.key_id)
    if seal is None or problems:
        return Verification(pack, (), tuple(warnings), _once(problems), root, key, None)
    contents = check_contents(pack, names, seal)
    problems, counts = contents.problems, None
    if not problems:
        try:
            counts, problems = check_statements(pack, digests, seal, contents.tally)
        except VerificationError as exc:
            problems = [exc]
    checks = (
        Check("files", len(names)),
        Check("lineage records", seal.head.size),
        Check("decisions", contents.decisions),
        Check("accepted rows", sum(contents.rows.values())),
        *([Check("adversarial rows", rows)] if (rows := contents.rows[ADVERSARIAL]) else []),
    )
    return Verification(
        path=pack,
        checks=() if problems else checks,
        warnings=(*warnings, *_describe_trust(seal, expected_key)),
        problems=_once(problems),
        root=root,
        key_id=key,
        counts=counts,
    )


def verify_row(
    pack: Path,
    row_id: str,
    *,
    expected_key: str | None = None,
    identity: str | None = None,
    issuer: str | None = None,
    trust_config: Path | None = None,
) -> RowProof:
    """The proof of one row, from the signature, its record, its path in the tiles and, if it was accepted,
    the row itself; nothing else of the pack is checked.

    `row_id` may be a prefix of at least 8 characters. Raises InputError for a row that the pack does not
    have, VerificationError for one that is not what was signed.
    """
    check_bundle = _choose_identity(identity, issuer, trust_config)
    names, faults, _ = _list_files(pack)
    if faults:
        raise faults[0]
    seal = open_seal(pack, expected_key=expected_key, check_bundle=check_bundle)
    records = layout.of_kind(names, "lineage", "records")
    tables = (table for name in records for table in read_shard(pack, name, RECORD_SCHEMA, ["row_id"]))
    row_id, index = find_row_id(tables, row_id, where=str(pack))
    size, root = seal.head.size, seal.head.root
    if index >= size:
        raise VerificationError(
            f"row {row_id} stands behind the end of the signed tree", seen=index, allowed=f"{size} leaves"
        )
    proof = prove_from_tiles(pack / layout.TILES, index, size)
    record = find_row(pack, records, RECORD_SCHEMA, index)["record"]
    known = parse_record(record, where=f"the record of row {row_id}")
    if known["row_id"] != row_id or not verify_inclusion(leaf_hash(record), index, size, proof, root):
        raise VerificationError(f"the record of row {row_id} is not leaf {index} of the signed tree")
    accepted = known["decision"]["decision"] == "accepted"
    if accepted:
        row = _find_accepted(pack, names, row_id)
        verify_row_record(row, record, index=index, size=size, proof=proof, root=root)
    return RowProof(
        row_id=row_id,
        **known["decision"],
        verdicts=tuple(known["verdicts"]),
        in_data=accepted,
        index=index,
        size=size,
        proof=tuple(node.hex() for node in proof),
        root=root.hex(),
        key_id=seal.key_id,
        warnings=tuple(_describe_trust(seal, expected_key)),
    )


def _list_files(pack: Path) -> tuple[list[str], list[VerificationError], list[str]]:
    if not pack.is_dir():
        raise VerificationError(f"{pack} is not a folder", mend="Name the folder of a pack.")
    return layout.list_pack_files(pack)


def _find_accepted(pack: Path, names: list[str], row_id: str) -> Mapping[str, Any]:
    """The row, from the split that it belongs into. `train` is read first, where a stray does harm."""
    for split, files in layout.list_data(names).items():
        for name in files:
            start = 0
            for table in read_shard(pack, name, CANDIDATE_SCHEMA, columns=["row_id", "kind"]):
                found = table["row_id"].index(row_id).as_py()
                if found >= 0:
                    require_split(table.slice(found, 1), split, name=name)
                    return find_row(pack, [name], CANDIDATE_SCHEMA, start + found)
                start += len(table)
    raise VerificationError(f"row {row_id} was signed as accepted and is not in data/")


def _choose_identity(
    identity: str | None, issuer: str | None, trust_config: Path | None
) -> CheckBundle | None:
    if identity is None and issuer is None:
        if trust_config is not None:
            raise ConfigError("a trust config without --identity and --issuer checks nothing")
        return None
    if identity is None or issuer is None:
        raise ConfigError("--identity and --issuer go together", seen=identity or issuer)
    who, vouched_by = identity, issuer

    def check(bundle: bytes) -> bytes:
        return verify_sigstore(bundle, identity=who, issuer=vouched_by, trust_config=trust_config)

    return check


def _describe_trust(seal: Seal, expected_key: str | None) -> list[str]:
    """What the signature does not prove, in sentences."""
    if seal.identity_checked or expected_key is not None:
        return []
    if seal.has_bundle:
        return show(
            "signed with sigstore, and the identity was not checked: name it with --identity and --issuer"
        )
    return ["signed with a local key: proves integrity, not who signed; check the key with --key-id"]


def _once(problems: Sequence[VerificationError]) -> tuple[VerificationError, ...]:
    return tuple({str(problem): problem for problem in problems}.values())
