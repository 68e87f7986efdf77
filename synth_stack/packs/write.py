"""A judged run as a handover pack: the accepted rows, the decision on every row, and one signature."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError
from synth_stack.files import read_table, store_errors, use_system_pool, write_bytes
from synth_stack.inputs.seeds import SEED_SCHEMA
from synth_stack.lineage.content_credentials import ContentSigner
from synth_stack.lineage.leaf_index import LeafIndex
from synth_stack.lineage.merkle import LeafHashes, TreeHead, write_tiles
from synth_stack.lineage.record import RECORD_SCHEMA, build_records, leaves_of
from synth_stack.lineage.record_form import Record
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.counts import Counts, Tally
from synth_stack.packs.credentials import embed_credentials
from synth_stack.packs.data_rows import DATA_SCHEMA, RowTerms
from synth_stack.packs.finish import PackedBatch, finish_pack, open_staging
from synth_stack.packs.gate_log import Measures, add_counts, render_measures, require_planted
from synth_stack.packs.images import ImageWriter
from synth_stack.packs.shards import SHARD_ROWS, Append, write_lines, write_shards
from synth_stack.packs.signers import Signer
from synth_stack.packs.splits import SPLITS, list_splits, select_split
from synth_stack.packs.statement import read_rule
from synth_stack.packs.turned_away import TURNED_SCHEMA, list_turned, select_turned
from synth_stack.packs.verify.contents import check_decisions
from synth_stack.packs.verify.provenance import Origins, check_locks, read_seed_ids, require_as_written
from synth_stack.packs.verify.recount import read_verifier
from synth_stack.packs.verify.row_forms import require_sound_rows
from synth_stack.packs.verify_pack import DecisionCheck
from synth_stack.progress import Progress, Silent
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA
from synth_stack.runs.committed import require_whole
from synth_stack.runs.folder import GATES_LOCK, LOCK, list_files
from synth_stack.runs.judged import Judged, open_judged, read_candidates, read_judged
from synth_stack.runs.locks import is_as_written
from synth_stack.runs.self_tests import refuse_failed

RECORDED_ROWS = 1_000
"""Rows whose verdicts are Python objects at a time; a whole part of 10,000 takes 150 MB more."""


@dataclass(frozen=True, slots=True)
class PackSummary:
    """What was packed: where, how many rows (generated, replacements, accepted, rejected, held), the tree's
    root, and the id of the local key; and how many accepted rows are withdrawn and not in it.
    """

    path: Path
    counts: Mapping[str, int]
    root: str
    key_id: str
    withdrawn: int = 0


@use_system_pool()
def write_pack(
    run: Path,
    out: Path,
    *,
    signer: Signer,
    progress: Progress | None = None,
    shard_rows: int = SHARD_ROWS,
    ledger: Path | None = None,
    credentials: ContentSigner | None = None,
) -> PackSummary:
    """The judged run at `run` as a pack at `out`, there whole or not at all.

    `shard_rows` is the most rows that a file holds; `ledger` the file of batches that this one is appended
    to. The same run, local key and place in a ledger give the same bytes, but for C2PA manifests, with which
    `credentials` sign the images. Memory stays at a shard of rows,
    the decisions, some 20 bytes a row, and 300 a replaced one. Raises InputError for a run that is not judged
    to the end, UntrustedGate for one with a gate that failed its self-test, VerificationError for one whose
    verdicts give other decisions or whose rows are not what its recipe says, RunMismatch when `out` holds
    something other than an older pack of this run, StoreError for a damaged run and while another process
    packs to `out`, SigningError.
    """
    require_whole(run)
    source = open_judged(run, decision_columns=["decision"])
    refuse_failed(source.self_tests)
    with open_staging(out, source.recipe.identity, ledger) as staging:
        counts, head = _fill(
            staging,
            source,
            signer,
            progress or Silent(),
            shard_rows=shard_rows,
            ledger=ledger,
            credentials=credentials,
        )
    return PackSummary(out, counts.count_decisions(), head.root.hex(), signer.key_id)


def _fill(
    staging: Path,
    run: Judged,
    signer: Signer,
    progress: Progress,
    *,
    shard_rows: int,
    ledger: Path | None,
    credentials: ContentSigner | None,
) -> tuple[Counts, TreeHead]:
    write_bytes(staging / layout.RECIPE, run.recipe_lock)
    write_bytes(staging / layout.GATES, run.gates_lock)
    write_bytes(staging / layout.VERIFIER, read_verifier())
    for name, lock, data in ((LOCK, run.recipe, run.recipe_lock), (GATES_LOCK, run.lock, run.gates_lock)):
        require_as_written(name, is_as_written(lock, data))
    check_locks(run.recipe, run.lock)
    _copy_seeds(run, staging)
    seeds = {f"{layout.SEEDS}/{name}": 0 for name in list_files(staging / layout.SEEDS)}
    origins = Origins(run.recipe, read_seed_ids(staging, seeds, run.recipe))
    review = _copy_review(run, staging)
    counts, head = _write_tables(staging, run, progress, shard_rows, origins=origins, review=review)
    if credentials is not None:
        embed_credentials(staging, credentials, head)
    write_bytes(staging / layout.MEASURES, render_measures(counts.measures, run.gates))
    batch = PackedBatch(run.recipe, run.lock, run.context, counts, head)
    finish_pack(staging, batch, signer, ledger=ledger)
    return counts, head


def _copy_review(run: Judged, staging: Path) -> dict[str, Any] | None:
    """The outcome of the review of a run, once it lies in `staging`; None where there is none."""
    if not (run.folder / layout.REVIEW).exists():
        return None
    # with it come Polars and every gate: two seconds and 130 MB that most packs do not need
    from synth_stack.packs.review import copy_review

    return copy_review(run, staging)


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
    rule, terms = DecisionCheck(read_rule(run.lock)), RowTerms(run.recipe)
    sizes = _count_splits(run)
    turned = Counter(
        {each["values"]: each["counts"] for each in pc.value_counts(run.decisions["decision"]).to_pylist()}
    )
    tally = Tally()
    counted: dict[str, Counter[str]] = {}
    with ExitStack() as stack:

        def begin(name: Callable[[int], str], schema: pa.Schema) -> Append:
            return stack.enter_context(write_shards(staging, name, schema, shard_rows=shard_rows))

        def begin_split(split: str) -> Append:
            shards = max(math.ceil(sizes[split] / shard_rows), 1)
            return begin(lambda number: layout.data_name(number, shards, split), DATA_SCHEMA)

        append_rows = {split: begin_split(split) for split in list_splits(sizes)}

        def begin_turned(decision: str) -> Append:
            shards = max(math.ceil(turned[decision] / shard_rows), 1)
            return begin(lambda number: layout.turned_name(number, shards, decision), TURNED_SCHEMA)

        append_turned = {decision: begin_turned(decision) for decision in list_turned(turned)}
        images = ImageWriter(run.folder, staging, stack)
        append_decisions = begin(layout.log_name, DECISION_SCHEMA)
        append_records = begin(layout.records_name, RECORD_SCHEMA)
        append_lines = stack.enter_context(write_lines(staging, layout.lines_name, shard_rows=shard_rows))
        where, index = str(run.folder), stack.enter_context(closing(LeafIndex()))

        def see(records: Sequence[Record]) -> None:
            check_decisions(where, records, rule)
            for record in records:
                origins.check(where, record, replaces=tally.add_record(record))

        def grow() -> Iterator[LeafHashes]:
            advance = progress.begin("pack", run.decisions.num_rows)
            for candidates, verdicts, decisions in read_judged(run):
                records = _build_records(candidates, verdicts, decisions, run.context, see)
                accepted = candidates.filter(pc.equal(decisions["decision"], "accepted"))
                kept = terms.add_columns(accepted.select(CANDIDATE_SCHEMA.names))
                require_sound_rows(kept, where)
                images.add_rows(kept)
                for split, append in append_rows.items():
                    append(select_split(kept, split))
                for decision, append in append_turned.items():
                    gone = select_turned(candidates, decisions, decision)
                    append(gone)
                    tally.turned.add_rows(gone, decision)
                append_decisions(decisions)
                append_records(records)
                append_lines(records["record"])
                tally.add_rows(kept)
                add_counts(counted, verdicts)
                index.add(records["row_id"])
                advance(len(records))
                pa.default_memory_pool().release_unused()
                yield leaves_of(records)

        head = write_tiles(staging / layout.TILES, grow())
        index.write(staging / layout.INDEX)
    tally.require_replacements()
    origins.finish(tally.generated)
    require_planted(run.self_tests, run.gates, tally.count_judged(), where=str(run.folder))
    by_gate = {gate: counted[gate] for gate in run.gate_names if gate in counted}
    counts = tally.finish(run.gate_names, Measures(run.self_tests, by_gate), review)
    return counts, head


def _build_records(
    candidates: pa.Table,
    verdicts: pa.Table,
    decisions: pa.Table,
    context: Mapping[str, str | None],
    see: Callable[[Sequence[Record]], None],
) -> pa.Table:
    """The records of one part of a run, made RECORDED_ROWS at a time and shown to `see`; one decision a row,
    in its order.
    """
    pieces, told = [], 0
    for start in range(0, len(candidates), RECORDED_ROWS):
        rows = candidates.slice(start, RECORDED_ROWS)
        ids = rows["row_id"].combine_chunks()
        own = verdicts.filter(pc.is_in(verdicts["row_id"], value_set=ids))
        told += len(own)
        decided = decisions.slice(start, RECORDED_ROWS)
        pieces.append(build_records(rows, own, decided, context=context, see=see))
    if told != len(verdicts) or not pieces:  # of a row twice or of none: the whole part says it
        return build_records(candidates, verdicts, decisions, context=context)
    return pa.concat_tables(pieces).combine_chunks()


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
