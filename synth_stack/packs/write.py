"""A judged run as a handover pack: the accepted rows, the decision on every row, and one signature."""

import glob
import math
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack import __version__
from synth_stack.errors import InputError, RunMismatch, VerificationError
from synth_stack.files import digest_file, store_errors, write_bytes
from synth_stack.lineage.merkle import LeafHashes, TreeHead, write_tiles
from synth_stack.lineage.record import RECORD_SCHEMA, build_records, leaves_of
from synth_stack.lineage.sign import build_statement, key_id, load_or_make_key, public_key_pem, sign_local
from synth_stack.lineage.transparency import sign_sigstore
from synth_stack.packs import layout
from synth_stack.packs.card.card import render_card
from synth_stack.packs.card.croissant import render_croissant
from synth_stack.packs.counts import Counts, Tally
from synth_stack.packs.gate_log import Measures, add_counts, render_measures
from synth_stack.packs.review import copy_review
from synth_stack.packs.shards import SHARD_ROWS, Append, write_shards
from synth_stack.packs.splits import SPLITS, list_splits, select_split
from synth_stack.packs.statement import build_facts, build_predicate, read_manifest
from synth_stack.packs.verify.rule import check_decisions, read_rule
from synth_stack.progress import Progress, Silent
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA
from synth_stack.runs.folder import MANIFEST, list_files, write_manifest
from synth_stack.runs.judged import Judged, open_judged, read_candidates, read_judged
from synth_stack.runs.self_tests import refuse_failed


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: `sign` turns a statement into the files of the pack that carry its signatures.

    `key_id` names the local key. With sigstore an identity signs the same statement too.
    """

    kind: Literal["local", "sigstore"]
    key_id: str
    sign: Callable[[bytes], Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class PackSummary:
    """What was packed: where, how many rows (generated, replacements, accepted, rejected, held), the tree's
    root, and the id of the local key.
    """

    path: Path
    counts: Mapping[str, int]
    root: str
    key_id: str


def local_signer(key_path: Path | None) -> Signer:
    """A signer with the key of this machine at `key_path` (default: where `load_or_make_key` looks).

    It proves that nothing was changed, and not who signed. Raises SigningError for a key that cannot be
    used.
    """
    key = load_or_make_key(key_path)

    def sign(statement: bytes) -> dict[str, bytes]:
        return {layout.STATEMENT: sign_local(statement, key), layout.PUBLIC_KEY: public_key_pem(key)}

    return Signer("local", key_id(key.public_key()), sign)


def sigstore_signer(
    identity_token: str | None, trust_config: Path | None, *, key_path: Path | None = None
) -> Signer:
    """A signer with the key of this machine and, over the same statement, a sigstore identity.

    Without a token the ambient credential of a CI system is asked for, at the time of signing: it lives
    for minutes. Raises what `local_signer` raises.
    """
    local = local_signer(key_path)

    def sign(statement: bytes) -> dict[str, bytes]:
        bundle = sign_sigstore(statement, identity_token=identity_token, trust_config=trust_config)
        return {**local.sign(statement), layout.BUNDLE: bundle}

    return Signer("sigstore", local.key_id, sign)


def write_pack(
    run: Path,
    out: Path,
    *,
    signer: Signer,
    progress: Progress | None = None,
    shard_rows: int = SHARD_ROWS,
) -> PackSummary:
    """The judged run at `run` as a pack at `out`, there whole or not at all.

    `shard_rows` is the most rows that a file holds. The same run and local key give the same bytes. Memory
    stays at a shard of rows, the decisions, some 20 bytes a row, and 300 a replaced one. Raises InputError
    for a run that is not judged to the end, UntrustedGate for one with a gate that failed its
    self-test, VerificationError for one whose verdicts give other decisions, RunMismatch when `out` holds
    something other than an older pack of this run, StoreError and SigningError.
    """
    source = open_judged(run)
    refuse_failed(source.self_tests)
    _require_replaceable(out, source.recipe.identity)
    staging = out.with_name(f".{out.name}.{secrets.token_hex(4)}.packing")
    with store_errors(out):
        _remove_leftovers(out)
        staging.mkdir(parents=True)
        try:
            counts, head = _fill(staging, source, signer, progress or Silent(), shard_rows)
            _publish(staging, out)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return PackSummary(out, counts.count_decisions(), head.root.hex(), signer.key_id)


def _require_replaceable(out: Path, identity: str) -> None:
    """Refuse a folder that holds anything but an older pack of the same run."""
    if not out.exists() and not out.is_symlink():
        return
    mend = "Choose another folder with --out."
    if out.is_symlink() or not out.is_dir():
        raise RunMismatch(f"{out} is in the way: it is no folder", mend=mend)
    present = sorted(path.name for path in out.iterdir())
    if not present:
        return
    try:
        manifest = read_manifest(out)
    except VerificationError as exc:
        raise RunMismatch(f"{out} is not empty and holds no pack", seen=present[0], mend=mend) from exc
    if manifest["facts"].get("run") != identity:
        raise RunMismatch(
            f"{out} holds the pack of another run", seen=manifest["facts"].get("run"), mend=mend
        )
    names, faults, _ = layout.list_pack_files(out)
    foreign = [str(fault) for fault in faults] + sorted(set(names) - {*manifest["files"], MANIFEST})
    if foreign:
        raise RunMismatch(f"{out} holds a file that is no part of the pack", seen=foreign[0], mend=mend)


def _remove_leftovers(out: Path) -> None:
    for path in out.parent.glob(f".{glob.escape(out.name)}.????????.packing"):
        shutil.rmtree(path)


def _fill(
    staging: Path, run: Judged, signer: Signer, progress: Progress, shard_rows: int
) -> tuple[Counts, TreeHead]:
    write_bytes(staging / layout.RECIPE, run.recipe_lock)
    write_bytes(staging / layout.GATES, run.gates_lock)
    _copy_seeds(run.folder / "seeds", staging / layout.SEEDS)
    review = copy_review(run, staging)
    counts, head = _write_tables(staging, run, progress, shard_rows, review)
    write_bytes(staging / layout.MEASURES, render_measures(counts.measures, run.gates))
    card = render_card(
        run.recipe,
        run.gates,
        counts,
        root=head.root.hex(),
        key_id=signer.key_id,
        signature=signer.kind,
    )
    write_bytes(staging / layout.CARD, card.encode("utf-8"))
    data = {name: digest_file(staging / name) for name in list_files(staging) if name.startswith("data/")}
    write_bytes(staging / layout.CROISSANT, render_croissant(run.recipe, data))
    _sign(staging, run, counts, head, signer)
    return counts, head


def _copy_seeds(source: Path, target: Path) -> None:
    for name in list_files(source):
        fault = layout.find_name_fault(f"{layout.SEEDS}/{name}")
        if fault is not None:
            raise InputError(f"{source / name} cannot go into a pack: {fault}", mend="Rename the document.")
        with store_errors(source / name):
            write_bytes(target / name, (source / name).read_bytes())


def _sign(staging: Path, run: Judged, counts: Counts, head: TreeHead, signer: Signer) -> None:
    predicate = build_predicate(
        identity=run.recipe.identity,
        version=__version__,
        signature=signer.kind,
        head=head,
        context=run.context,
        counts=counts,
    )
    subjects = {name: str(digest_file(staging / name)) for name in list_files(staging)}
    statement = build_statement({**subjects, layout.ROWS_SUBJECT: head.root.hex()}, predicate)
    for name, data in signer.sign(statement).items():
        write_bytes(staging / name, data)
    write_manifest(staging, build_facts(predicate))


def _write_tables(
    staging: Path, run: Judged, progress: Progress, shard_rows: int, review: dict[str, Any] | None
) -> tuple[Counts, TreeHead]:
    """data/, log/ and lineage/ in one pass over the run; the counts and the head of the tree."""
    rule = read_rule(run.lock)
    sizes = _count_splits(run)
    tally = Tally()
    counted: dict[str, Counter[str]] = {}
    with ExitStack() as stack:

        def begin(name: Callable[[int], str], schema: pa.Schema) -> Append:
            return stack.enter_context(write_shards(staging, name, schema, shard_rows=shard_rows))

        def begin_split(split: str) -> Append:
            shards = max(math.ceil(sizes[split] / shard_rows), 1)
            return begin(lambda number: layout.data_name(number, shards, split), CANDIDATE_SCHEMA)

        append_rows = {split: begin_split(split) for split in list_splits(sizes)}
        append_decisions = begin(layout.log_name, DECISION_SCHEMA)
        append_records = begin(layout.records_name, RECORD_SCHEMA)

        def grow() -> Iterator[LeafHashes]:
            advance = progress.begin("pack", run.decisions.num_rows)
            for candidates, verdicts, decisions in read_judged(run):
                records = build_records(candidates, verdicts, decisions, context=run.context)
                kept = candidates.filter(pc.equal(decisions["decision"], "accepted"))
                for split, append in append_rows.items():
                    append(select_split(kept, split))
                append_decisions(decisions)
                append_records(records)
                told = [orjson.loads(record) for record in records["record"].to_pylist()]
                check_decisions(str(run.folder), told, rule)
                tally.add_records(told)
                tally.add_rows(kept)
                add_counts(counted, verdicts)
                advance(len(records))
                yield leaves_of(records)

        head = write_tiles(staging / layout.TILES, grow())
    by_gate = {gate: counted[gate] for gate in run.gate_names if gate in counted}
    counts = tally.finish(run.gate_names, Measures(run.self_tests, by_gate), review)
    return counts, head


def _count_splits(run: Judged) -> Counter[str]:
    """The accepted rows of each split, which a file's name needs before the first row is written.

    Of the candidates only the column `kind` is read.
    """
    sizes: Counter[str] = Counter()
    start = 0
    for part in read_candidates(run.folder, ["kind"]):
        decisions = run.decisions["decision"].slice(start, len(part))
        kept = part.filter(pc.equal(decisions, "accepted"))
        sizes.update({split: len(select_split(kept, split)) for split in SPLITS})
        start += len(part)
    return sizes


def _publish(staging: Path, out: Path) -> None:
    """Give the finished pack its name; an older one goes away first, under a name that is cleaned up."""
    if out.exists():
        out.rename(out.with_name(f".{out.name}.{secrets.token_hex(4)}.packing"))
    staging.rename(out)
    handle = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    _remove_leftovers(out)
