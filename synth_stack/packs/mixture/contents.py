"""What a mixture is, computed from the packs in it: rows, shares, licences; and what may not be mixed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synth_stack import __version__
from synth_stack.errors import VerificationError
from synth_stack.inputs.terms import PURPOSES, TERMS, UNDECLARED, rank_terms
from synth_stack.lineage.ledger import grow_head
from synth_stack.lineage.merkle import TreeHead, leaf_hash
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.counts import Counts
from synth_stack.packs.data_figures import DataFigures, DataTally
from synth_stack.packs.data_rows import read_rows
from synth_stack.packs.disclosure.facts import DisclosedModel, Disclosure, Origin
from synth_stack.packs.disclosure.sentences import name_model
from synth_stack.packs.refusals import to_error
from synth_stack.packs.statement import Seal, check_place, open_seal, read_withdrawn
from synth_stack.packs.tombstones import find_withdrawn, open_revocations
from synth_stack.packs.verify.recount import disclose_sealed, read_locks
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.packs.verify_pack import LedgerChain
from synth_stack.rows.canonical import canonical_json, digest_bytes

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MixedPack:
    """One pack of a mixture, verified: where it lies, what was signed of it, what it holds."""

    folder: str
    path: Path
    seal: Seal
    counts: Counts
    told: Disclosure

    @property
    def leaf(self) -> str:
        """The hash of its signed statement, as it stands in the tree of the mixture."""
        return leaf_hash(self.seal.statement).hex()

    def to_json(self) -> Json:
        """What the statement of a mixture says of it."""
        return {
            "folder": self.folder,
            "name": self.told.name,
            "statement": self.leaf,
            "run": self.told.identity,
            "root": self.told.root,
            "key_id": self.told.key_id,
            "rows": self.told.data.rows,
            "synthetic": self.told.data.synthetic,
            "licenses": list(self.told.licenses),
            "output_terms": [
                {"model": name_model(model), "output": model.terms.output, "license": model.terms.license}
                for model in self.told.models
                if model.terms is not None
            ],
        }

    def read_chain(self) -> LedgerChain | None:
        """Its place in its publisher's ledger; None without one. Raises VerificationError."""
        sizes, _, _ = layout.list_pack_files(self.path)
        previous = check_place(self.path, sizes, self.seal)
        if previous is None:
            return None
        return LedgerChain(self.folder, self.seal.key_id, (*previous, leaf_hash(self.seal.statement)))


def open_packs(places: Sequence[tuple[str, Path]]) -> tuple[list[MixedPack], list[VerificationError]]:
    """The packs at those places, each verified whole; what is wrong with one names its folder."""
    packs: list[MixedPack] = []
    problems: list[VerificationError] = []
    for folder, path in places:
        found = inspect_pack(path)
        problems += [VerificationError(f"{folder}: {problem}") for problem in found.problems]
        if found.counts is not None and not found.problems:
            seal = open_seal(path)
            told = disclose_sealed(seal, read_locks(path), found.counts)
            packs.append(MixedPack(folder, path, seal, found.counts, told))
    return packs, problems


def find_clashes(packs: Sequence[MixedPack]) -> list[VerificationError]:
    """Why packs cannot stand side by side: one that stands there twice, a row that two have, two that stand
    in two forks of one ledger, and a row that is withdrawn by a list in another pack. Memory is some 100
    bytes a row.
    """
    problems: list[VerificationError] = []
    met: dict[str, str] = {}
    for pack in packs:
        if pack.leaf in met:
            problems.append(VerificationError(f"{pack.folder} is the same pack as {met[pack.leaf]}"))
        met[pack.leaf] = pack.folder
    return problems or [*_find_duplicates(packs), *_find_fork(packs), *_find_revoked(packs)]


def _find_fork(packs: Sequence[MixedPack]) -> list[VerificationError]:
    fork = verify_pack.find_fork([chain for pack in packs if (chain := pack.read_chain()) is not None])
    return [] if fork is None else [to_error(fork)]


def _find_duplicates(packs: Sequence[MixedPack]) -> list[VerificationError]:
    seen: dict[bytes, int] = {}
    for number, pack in enumerate(packs):
        names, _, _ = layout.list_pack_files(pack.path)
        for name in layout.list_row_files(names):
            for table in read_rows(pack.path, name, ["row_id"]):
                for row_id in table["row_id"].to_pylist():
                    other = seen.setdefault(bytes.fromhex(row_id), number)
                    if other != number:
                        where = f"{packs[other].folder} and {pack.folder}"
                        return [VerificationError(f"row {row_id} stands in two packs: {where}")]
    return []


def _find_revoked(packs: Sequence[MixedPack]) -> list[VerificationError]:
    """Rows that the list in one pack withdraws, or what they came from, and another still has."""
    paths = [pack.path for pack in packs]
    for pack in packs:
        sizes, _, _ = layout.list_pack_files(pack.path)
        gone = read_withdrawn(pack.path, sizes, pack.seal)
        if gone is None:
            continue
        found = find_withdrawn(paths, gone.revocations.tombstones)
        for other in packs:
            rows = found[other.path].keys() - (gone.rows if other is pack else _read_gone(other))
            for row_id in sorted(rows)[:1]:
                return [
                    VerificationError(
                        f"{other.folder}: row {row_id} is withdrawn by {pack.folder}/{layout.REVOKED}",
                        mend="Issue that pack again without it: pack PACK --reissue LIST.",
                    )
                ]
    return []


def find_revoked_in(packs: Sequence[MixedPack], revoked: Path) -> dict[str, dict[str, str]]:
    """By folder, the rows in the data of verified packs that a list withdraws: id to selector, or
    "descendant".

    Raises VerificationError for a list that was altered, or that is of the key of none of the packs.
    """
    revocations = open_revocations(revoked)
    keys = {pack.seal.key_id for pack in packs}
    if revocations.key_id not in keys:
        raise VerificationError(
            f"{revoked} is a list of a key that signed none of these packs", seen=revocations.key_id
        )
    found = find_withdrawn([pack.path for pack in packs], revocations.tombstones)
    rows = {pack.folder: {**found[pack.path]} for pack in packs}
    for pack in packs:
        for row_id in _read_gone(pack):
            rows[pack.folder].pop(row_id, None)
    return {folder: there for folder, there in rows.items() if there}


def _read_gone(pack: MixedPack) -> frozenset[str]:
    sizes, _, _ = layout.list_pack_files(pack.path)
    gone = read_withdrawn(pack.path, sizes, pack.seal)
    return frozenset() if gone is None else gone.rows


def find_forbidden(packs: Sequence[MixedPack], purpose: str | None) -> list[VerificationError]:
    """The models whose declared terms do not allow a purpose, of all packs."""
    if purpose is None:
        return []
    needed = PURPOSES.index(purpose)
    return [
        VerificationError(
            f"{pack.folder}: the terms of {model.name or model.digest} do not allow this purpose: {purpose}",
            seen=UNDECLARED if model.terms is None else model.terms.output,
            allowed=", ".join(TERMS[needed:]),
        )
        for pack in packs
        for model in pack.told.models
        if rank_terms(model.terms and model.terms.output) < needed
    ]


def grow_tree(packs: Sequence[MixedPack]) -> TreeHead:
    """The head of the tree (RFC 6962) over the signed statements of the packs, in order."""
    return grow_head([leaf_hash(pack.seal.statement) for pack in packs])


def identify_mixture(packs: Sequence[MixedPack], name: str, purpose: str | None) -> str:
    """The SHA-256 by which a ledger knows a mixture: these packs in this order, this name and purpose."""
    root = grow_tree(packs).root.hex()
    return digest_bytes(canonical_json({"name": name, "packs": root, "purpose": purpose}))


def describe_mixture(
    packs: Sequence[MixedPack], name: str, purpose: str | None, version: str = __version__
) -> Json:
    """What is signed of a mixture beside the digests of its files."""
    head, data = grow_tree(packs), _add_up(packs)
    return {
        "scheme": verify_pack.MIXTURE_SCHEME,
        "synth_stack": version,
        "name": name,
        "purpose": purpose,
        "tree": {"size": head.size, "root": head.root.hex()},
        "packs": [pack.to_json() for pack in packs],
        "counts": {
            "rows": data.rows,
            "synthetic": data.synthetic,
            "slices": [
                {"slice": each.name, "rows": each.rows, "synthetic": each.synthetic} for each in data.slices
            ],
        },
    }


def disclose_mixture(packs: Sequence[MixedPack], name: str, key_id: str) -> Disclosure:
    """What the documents of a mixture tell: all that those of its packs do, added up."""
    told = [pack.told for pack in packs]
    root = grow_tree(packs).root.hex()
    issuers = {(each.issuer and each.issuer.name): each.issuer for each in told}
    return Disclosure(
        name=name,
        title=name,
        about=f"A mixture of {len(packs)} packs: {', '.join(each.name for each in told)}.",
        identity=root,
        root=root,
        key_id=key_id,
        version=told[0].version,
        rows_judged=sum(each.rows_judged for each in told),
        data=_add_up(packs),
        files=tuple(
            replace(file, name=f"{pack.folder}/{file.name}") for pack in packs for file in pack.told.files
        ),
        gates=tuple(
            replace(gate, gate=f"{gate.gate} ({pack.folder})") for pack in packs for gate in pack.told.gates
        ),
        models=_merge_models([model for each in told for model in each.models]),
        origins=tuple(dict.fromkeys(origin for each in told for origin in each.origins)),
        licenses=tuple(dict.fromkeys(name for each in told for name in each.licenses or ("unknown",))),
        languages=tuple(dict.fromkeys(name for each in told for name in each.languages)),
        biases=tuple(dict.fromkeys(bias for each in told for bias in each.biases)),
        unchecked=tuple(
            (f"{pack.folder}: {said}", names) for pack in packs for said, names in pack.told.unchecked
        ),
        issuer=next(iter(issuers.values())) if len(issuers) == 1 else None,
        uses=tuple(use for use in told[0].uses if all(use in each.uses for each in told)),
        replaced=sum(each.replaced for each in told),
        withdrawn=sum(each.withdrawn for each in told),
        reviewed=any(each.reviewed for each in told),
        splits=tuple(dict.fromkeys(split for each in told for split in each.splits)),
        packs=tuple(
            Origin(f"pack {each.name}", pack.leaf, f"{each.data.rows:,} rows")
            for pack, each in zip(packs, told, strict=True)
        ),
        folders=tuple(f"{pack.folder}/" for pack in packs),
    )


def _add_up(packs: Sequence[MixedPack]) -> DataFigures:
    tally = DataTally()
    for pack in packs:
        tally.add_figures(pack.told.data)
    return tally.finish()


def _merge_models(models: Sequence[DisclosedModel]) -> tuple[DisclosedModel, ...]:
    """The same model with the same declared terms once, with the rows of all packs."""
    merged: dict[Any, DisclosedModel] = {}
    for model in models:
        key = (model.part, model.name, model.digest, repr(model.terms))
        known = merged.get(key)
        merged[key] = model if known is None else replace(known, rows=known.rows + model.rows)
    return tuple(sorted(merged.values(), key=lambda model: -model.rows))
