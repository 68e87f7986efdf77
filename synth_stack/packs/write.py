"""A judged run as a handover pack: the accepted rows, the decision on every row, and one signature."""

import glob
import math
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
from synth_stack.files import digest_file, exchange_names, read_table, store_errors, sync_folder, write_bytes
from synth_stack.inputs.seeds import SEED_SCHEMA
from synth_stack.lineage.ledger import LedgerEntry, append_entry, find_place, read_ledger
from synth_stack.lineage.merkle import LeafHashes, TreeHead, leaf_hash, write_tiles
from synth_stack.lineage.record import RECORD_SCHEMA, build_records, leaves_of
from synth_stack.lineage.sign import build_statement, key_id, load_or_make_key, public_key_pem, sign_local
from synth_stack.lineage.transparency import sign_sigstore
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.card.card import render_card
from synth_stack.packs.card.croissant import render_croissant
from synth_stack.packs.counts import Counts, Tally
from synth_stack.packs.gate_log import Measures, add_counts, render_measures, require_planted
from synth_stack.packs.review import copy_review
from synth_stack.packs.shards import SHARD_ROWS, Append, write_lines, write_shards
from synth_stack.packs.splits import SPLITS, list_splits, select_split
from synth_stack.packs.statement import Json, build_facts, build_predicate, read_manifest, read_rule
from synth_stack.packs.verify.contents import check_decisions
from synth_stack.packs.verify.provenance import Origins, check_locks, read_seed_ids
from synth_stack.packs.verify.recount import read_verifier
from synth_stack.progress import Progress, Silent
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA
from synth_stack.runs.committed import require_whole
from synth_stack.runs.folder import MANIFEST, hold_alone, list_files, write_manifest
from synth_stack.runs.judged import Judged, open_judged, read_candidates, read_judged
from synth_stack.runs.self_tests import refuse_failed

CHECKED_ROWS = 1_000
"""Records that are Python objects at a time: some 20 MB."""


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
    ledger: Path | None = None,
) -> PackSummary:
    """The judged run at `run` as a pack at `out`, there whole or not at all.

    `shard_rows` is the most rows that a file holds; `ledger` the file of batches that this one is appended
    to. The same run, local key and place in a ledger give the same bytes. Memory stays at a shard of rows,
    the decisions, some 20 bytes a row, and 300 a replaced one. Raises InputError for a run that is not judged
    to the end, UntrustedGate for one with a gate that failed its self-test, VerificationError for one whose
    verdicts give other decisions or whose rows are not what its recipe says, RunMismatch when `out` holds
    something other than an older pack of this run, StoreError for a damaged run and while another process
    packs to `out`, SigningError.
    """
    require_whole(run)
    source = open_judged(run)
    refuse_failed(source.self_tests)
    with store_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        held.enter_context(hold_alone(out.with_name(f".{out.name}.lock"), str(out), remove=True))
        if ledger is not None:
            held.enter_context(hold_alone(ledger.with_name(f".{ledger.name}.lock"), str(ledger), remove=True))
        _require_replaceable(out, source.recipe.identity)
        staging = out.with_name(f".{out.name}.{secrets.token_hex(4)}.packing")
        with store_errors(out):
            _remove_leftovers(out)
            staging.mkdir(parents=True)
            try:
                counts, head = _fill(
                    staging, source, signer, progress or Silent(), shard_rows=shard_rows, ledger=ledger
                )
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
    foreign = [str(fault) for fault in faults] + sorted(names.keys() - {*manifest["files"], MANIFEST})
    if foreign:
        raise RunMismatch(f"{out} holds a file that is no part of the pack", seen=foreign[0], mend=mend)


def _remove_leftovers(out: Path) -> None:
    for path in out.parent.glob(f".{glob.escape(out.name)}.????????.packing"):
        shutil.rmtree(path)


def _fill(
    staging: Path, run: Judged, signer: Signer, progress: Progress, *, shard_rows: int, ledger: Path | None
) -> tuple[Counts, TreeHead]:
    write_bytes(staging / layout.RECIPE, run.recipe_lock)
    write_bytes(staging / layout.GATES, run.gates_lock)
    write_bytes(staging / layout.VERIFIER, read_verifier())
    check_locks(run.recipe, run.lock)
    _copy_seeds(run, staging)
    seeds = {f"{layout.SEEDS}/{name}": 0 for name in list_files(staging / layout.SEEDS)}
    origins = Origins(run.recipe, read_seed_ids(staging, seeds, run.recipe))
    review = copy_review(run, staging)
    counts, head = _write_tables(staging, run, progress, shard_rows, origins=origins, review=review)
    write_bytes(staging / layout.MEASURES, render_measures(counts.measures, run.gates))
    entries = [] if ledger is None else read_ledger(ledger)
    place = None if ledger is None else find_place(entries, run.recipe.identity, head.root.hex())
    if place is not None:
        write_bytes(staging / layout.LEDGER, place.to_bytes())
    told = None if place is None else place.to_predicate()
    card = render_card(
        run.recipe,
        run.gates,
        counts,
        root=head.root.hex(),
        key_id=signer.key_id,
        signature=signer.kind,
        place=told,
    )
    write_bytes(staging / layout.CARD, card.encode("utf-8"))
    data = {name: digest_file(staging / name) for name in list_files(staging) if name.startswith("data/")}
    write_bytes(staging / layout.CROISSANT, render_croissant(run.recipe, data))
    statement = _sign(staging, run, counts, head, signer, place=told)
    if ledger is not None and place is not None:
        leaf = leaf_hash(statement).hex()
        entry = LedgerEntry(place.sequence, run.recipe.identity, head.root.hex(), leaf)
        append_entry(ledger, entries, entry)
    return counts, head


def _copy_seeds(run: Judged, staging: Path) -> None:
    """seeds/ of the run, where its recipe states a corpus; a folder of another kind of run is left where it
    is.
    """
    if run.recipe.corpus is None:
        return
    for name in verify_pack.SEEDS:
        source = run.folder / name
        if not source.is_file() or source.is_symlink():
            raise InputError(
                f"{source} is missing: the recipe states a seed corpus",
                mend="Type the command of the run again: it writes seeds/ anew.",
            )
        if name != verify_pack.SEEDS[0]:
            with store_errors(source):
                write_bytes(staging / name, source.read_bytes())
    seeds = read_table(run.folder / verify_pack.SEEDS[0], SEED_SCHEMA)
    with write_shards(
        staging, lambda _: verify_pack.SEEDS[0], SEED_SCHEMA, shard_rows=max(len(seeds), 1)
    ) as append:
        append(seeds)


def _sign(
    staging: Path, run: Judged, counts: Counts, head: TreeHead, signer: Signer, *, place: Json | None
) -> bytes:
    """The signed statement, once its signatures and the manifest are written."""
    predicate = build_predicate(
        identity=run.recipe.identity,
        version=__version__,
        signature=signer.kind,
        head=head,
        context=run.context,
        lock=run.lock,
        counts=counts,
        sizes={name: (staging / name).stat().st_size for name in list_files(staging)},
        place=place,
    )
    subjects = {name: str(digest_file(staging / name)) for name in list_files(staging)}
    statement = build_statement({**subjects, layout.ROWS_SUBJECT: head.root.hex()}, predicate)
    for name, data in signer.sign(statement).items():
        write_bytes(staging / name, data)
    write_manifest(staging, build_facts(predicate))
    return statement


def _write_tables(
    staging: Path,
    run: Judged,
    progress: Progress,
    shard_rows: int,
    *,
    origins: Origins,
    review: dict[str, Any] | None,
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
        append_lines = stack.enter_context(write_lines(staging, layout.lines_name, shard_rows=shard_rows))

        def grow() -> Iterator[LeafHashes]:
            advance = progress.begin("pack", run.decisions.num_rows)
            for candidates, verdicts, decisions in read_judged(run):
                records = build_records(candidates, verdicts, decisions, context=run.context)
                kept = candidates.filter(pc.equal(decisions["decision"], "accepted"))
                for split, append in append_rows.items():
                    append(select_split(kept, split))
                append_decisions(decisions)
                append_records(records)
                lines = records["record"].to_pylist()
                append_lines(lines)
                for start in range(0, len(lines), CHECKED_ROWS):
                    told = [orjson.loads(line) for line in lines[start : start + CHECKED_ROWS]]
                    check_decisions(str(run.folder), told, rule)
                    for record in told:
                        origins.check(str(run.folder), record, replaces=tally.add_record(record))
                tally.add_rows(kept)
                add_counts(counted, verdicts)
                advance(len(records))
                yield leaves_of(records)

        head = write_tiles(staging / layout.TILES, grow())
    tally.require_replacements()
    origins.finish(tally.generated)
    require_planted(run.self_tests, run.gates, tally.count_judged(), where=str(run.folder))
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
    """Give the finished pack its name: in one step with an older one where the system can exchange two names,
    else the older one goes away first, under a name that is cleaned up.
    """
    if out.exists() and not exchange_names(staging, out):
        out.rename(out.with_name(f".{out.name}.{secrets.token_hex(4)}.packing"))
    if not out.exists():
        staging.rename(out)
    sync_folder(out.parent)
    _remove_leftovers(out)
