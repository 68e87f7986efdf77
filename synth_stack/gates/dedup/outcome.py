"""What becomes of each row of a batch, decided from the texts that share a band key and their shingles."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth_stack.errors import GateError
from synth_stack.gates.dedup.collisions import NO_COLLISIONS, Collisions
from synth_stack.gates.dedup.compared_parts import (
    Compared,
    compare_parts,
    find_slot_buckets,
    leave_few_slotted,
)
from synth_stack.gates.dedup.greedy_keep import NO_TWIN, KeepTask, settle
from synth_stack.gates.dedup.index import NAMES
from synth_stack.gates.dedup.jaccard import Shingled, Similarities, measure_each, sketch_sets
from synth_stack.gates.dedup.row_parts import PartedWords
from synth_stack.gates.dedup.sketches import join_words, read_words
from synth_stack.gates.gate import State
from synth_stack.text.ragged import (
    HASH_LISTS,
    Counts,
    Hashes,
    Mask,
    Ragged,
    join_rows,
    offsets_of,
    read_lists,
    write_lists,
)

Number = TypeVar("Number", bound=np.generic)

ACCEPT, REJECT, HOLD, ABSTAIN = range(4)
NOT_MEASURED = -1.0

_ROWS = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("outcome", pa.uint8()),
        pa.field("score", pa.float64()),
        pa.field("twin", pa.int32()),
        pa.field("cluster_rows", pa.int32()),
        pa.field("cluster_share", pa.float64()),
        pa.field("like", pa.list_(pa.float64(), 3)),
        pa.field("runs", pa.list_(pa.int32(), 6)),
    ]
)
_TWINS = pa.schema([*NAMES, pa.field("shingles", HASH_LISTS)])
_OUTCOME = frozenset({"rows", "twins"})
"""The tables of state that the verdicts are written from."""


@dataclass(frozen=True, slots=True)
class DedupRule:
    """When a row is rejected, down to which similarity scores are kept, when a cluster is held, and how many
    rows share what is set apart (None: nothing is); `seed` draws the permutations.
    """

    threshold: float
    floor: float
    max_cluster_share: float
    max_cluster_min_rows: int
    shared_rows: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class DedupOutcome:
    """The k rows of a batch that are like another one or have nothing to read; all others are accepted.

    `ids` (k,) sorted, the hashes of their row_ids; `outcomes` (k,) uint8; `scores` (k,); `twins` (k,), a row
    of `names`, or NO_TWIN; `cluster_rows` and `cluster_shares` (k,), 0 where the row is not held; `like` (k,
    3), how near whole, question and answer are to the twin's, NOT_MEASURED where they were not compared;
    `runs` (k, 6), what was set apart of the question and what was compared (Compared.show). Row t of `sets`
    has the shingles of the twin in row t of `names`; it is empty where only exact copies name it.
    """

    ids: Hashes
    outcomes: NDArray[np.uint8]
    scores: Similarities
    twins: NDArray[np.int32]
    cluster_rows: NDArray[np.int32]
    cluster_shares: Similarities
    like: Similarities
    runs: NDArray[np.int32]
    names: pa.Table
    sets: Ragged

    def find(self, ids: Hashes) -> Counts:
        """The places of the rows of these ids here, (n,); NO_TWIN for a row that is not among them."""
        if not len(self.ids):
            return np.full(len(ids), NO_TWIN, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[place] == ids, place, NO_TWIN)

    def to_state(self) -> State:
        """Tables of state, and after them those of the first pass, emptied."""
        rows = [
            self.ids,
            self.outcomes,
            self.scores,
            self.twins,
            self.cluster_rows,
            self.cluster_shares,
        ]
        lists = [
            pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])
            for column in (self.like, self.runs)
        ]
        return {
            "rows": pa.table([*[pa.array(column) for column in rows], *lists], schema=_ROWS),
            "twins": pa.table([*self.names.columns, write_lists(self.sets)], schema=_TWINS),
            **NO_COLLISIONS,
        }

    @classmethod
    def from_state(cls, state: State) -> "DedupOutcome":
        """What `to_state` wrote, not copied. Raises GateError where it is missing."""
        if not _OUTCOME.issubset(state):
            raise GateError("dedup was asked for verdicts before it saw the batch")
        rows = state["rows"].combine_chunks()
        columns = {field.name: rows[field.name].to_numpy() for field in list(_ROWS)[:-2]}
        like, runs = (pc.list_flatten(rows[name]).to_numpy() for name in ("like", "runs"))
        return cls(
            ids=columns["id"],
            outcomes=columns["outcome"],
            scores=columns["score"],
            twins=columns["twin"],
            cluster_rows=columns["cluster_rows"],
            cluster_shares=columns["cluster_share"],
            like=like.reshape(-1, 3),
            runs=runs.reshape(-1, 6),
            names=state["twins"].select(NAMES.names),
            sets=read_lists(state["twins"]["shingles"]),
        )


@dataclass(frozen=True, slots=True)
class _Picks:
    """Names (p,), shingles and words (p,), none for a text that met no other; `of_text` (t,), the pick of
    each text.
    """

    names: pa.Table
    sets: Ragged
    words: PartedWords
    of_text: Counts


@dataclass(frozen=True, slots=True)
class _RowOutcomes:
    """Of r rows: whether each is rejected, its highest similarity, and the text that it is most like."""

    rejected: Mask
    scores: Similarities
    twins: Counts


def decide_outcomes(sketches: Iterable[pa.Table], state: State, *, rule: DedupRule) -> State:
    """What becomes of each row of the batch, given that all rows of earlier packs are kept.

    Memory: 8 bytes a shingle of the distinct rows that share a band key with another, and some 100 bytes
    each.
    """
    if _OUTCOME.issubset(state):  # a run was stopped after these were saved: the others may be gone
        return {**state, **NO_COLLISIONS}
    found = Collisions.from_state(state)
    picks = _gather_picks(sketches, found)
    learners = picks.of_text[found.many & ~found.text_canary]
    compared = compare_parts(picks.words, learners, rule.shared_rows)
    outcomes = _settle_rows(found, picks, compared, rule)
    return _list_outcomes(found, outcomes, picks, compared, rule).to_state()


def _gather_picks(sketches: Iterable[pa.Table], found: Collisions) -> _Picks:
    names, words = [found.earlier.select(NAMES.names)], [read_words(found.earlier)]
    ids = [np.zeros(0, dtype=np.uint64)]

    def read() -> Iterator[Ragged]:
        yield read_lists(found.earlier["shingles"])
        for sketch in sketches:
            packs = pa.nulls(len(sketch), pa.string())
            names.append(pa.table([sketch["row_id"], packs], schema=NAMES))
            ids.append(sketch["id"].to_numpy())
            words.append(read_words(sketch))
            yield read_lists(sketch["shingles"])

    sets = join_rows(read())
    first = len(found.earlier)
    known = np.concatenate(ids)
    wanted = found.text_ids[first:]
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    if len(wanted) and not (len(known) and (known[order[place]] == wanted).all()):
        raise GateError("dedup: the second pass over the batch lacks a row of the first")
    own = order[place] + first if len(wanted) else np.zeros(0, dtype=np.int64)
    return _Picks(pa.concat_tables(names), sets, join_words(words), np.concatenate([np.arange(first), own]))


def _settle_rows(found: Collisions, picks: _Picks, compared: Compared, rule: DedupRule) -> _RowOutcomes:
    """What is settled among texts that share a band key, for every row: a copy of a kept row is rejected."""
    met = np.flatnonzero(found.met)
    at = picks.of_text[met]
    slotted = compared.parts.slotted[at]
    canary = found.text_canary[met]
    bands = [leave_few_slotted(band, slotted, canary) for band in found.buckets]
    task = KeepTask(
        shingled=Shingled(picks.sets, sketch_sets(picks.sets), compared.parts, at),
        bands=[*bands, *find_slot_buckets(compared.parts, at, rule.threshold, rule.seed)],
        fixed=int((met < len(found.earlier)).sum()),
        canary=canary,
        threshold=rule.threshold,
        floor=rule.floor,
    )
    settled = settle(task)
    t = len(found.met)
    kept, best, twin = np.ones(t, dtype=bool), np.zeros(t), np.full(t, NO_TWIN, dtype=np.int64)
    kept[met], best[met] = settled.kept, settled.best
    has_twin = settled.twin != NO_TWIN
    twin[met[has_twin]] = met[settled.twin[has_twin]]
    readable = found.row_texts >= 0
    text = found.row_texts[readable]
    is_copy = (kept & ~found.text_canary)[text] & ~found.is_first[readable]
    return _RowOutcomes(
        rejected=is_copy | ~kept[text],
        scores=np.where(is_copy, 1.0, best[text]),
        twins=np.where(is_copy, text, twin[text]),
    )


def _list_outcomes(
    found: Collisions, outcomes: _RowOutcomes, picks: _Picks, compared: Compared, rule: DedupRule
) -> DedupOutcome:
    """The rows that are rejected or held or come near another, and those with nothing to read."""
    listed = np.flatnonzero(_find_listed(found, outcomes))
    rejected, scores = outcomes.rejected[listed], outcomes.scores[listed]
    texts, number = np.unique(outcomes.twins[listed[rejected]], return_inverse=True)
    twin = np.full(len(listed), NO_TWIN, dtype=np.int64)
    twin[rejected] = number
    size, share = _find_large_clusters(found, listed, twin, rule)
    outcome = np.where(size > 0, HOLD, np.where(rejected, REJECT, ACCEPT))
    empty = np.flatnonzero(found.row_texts < 0)
    ids = found.row_ids[np.concatenate([listed, empty])]
    order = np.argsort(ids, kind="stable")

    def complete(values: NDArray[Number], of_empty: float) -> NDArray[Number]:
        rest = np.full((len(empty), *values.shape[1:]), of_empty, dtype=values.dtype)
        return np.concatenate([values, rest])[order]

    shown = np.zeros(len(texts), dtype=bool)
    shown[number[scores[rejected] < 1]] = True
    near = np.flatnonzero(rejected & (scores < 1))
    mine, its = picks.of_text[found.row_texts[listed[near]]], picks.of_text[texts[twin[near]]]
    like, runs = np.full((len(listed), 3), NOT_MEASURED), np.zeros((len(listed), 6), dtype=np.int32)
    measured = np.stack(measure_each(picks.sets, compared.parts, mine, its), axis=1)
    like[near] = np.where(np.isnan(measured), NOT_MEASURED, measured)
    runs[near] = compared.show(mine)
    return DedupOutcome(
        ids=ids[order],
        outcomes=complete(outcome.astype(np.uint8), ABSTAIN),
        scores=complete(scores, 0),
        twins=complete(twin.astype(np.int32), NO_TWIN),
        cluster_rows=complete(size.astype(np.int32), 0),
        cluster_shares=complete(share, 0),
        like=complete(like, NOT_MEASURED),
        runs=complete(runs, 0),
        names=picks.names.take(pa.array(picks.of_text[texts])),
        sets=_keep_sets(picks.sets, picks.of_text[texts], shown),
    )


def _keep_sets(sets: Ragged, rows: Counts, needed: Mask) -> Ragged:
    """The named rows of `sets`, in the order named, empty where they are not `needed`."""
    kept = sets.take(rows[needed])
    lengths = np.zeros(len(rows), dtype=np.int64)
    lengths[needed] = kept.lengths
    return Ragged(kept.values, offsets_of(lengths))


def _find_listed(found: Collisions, outcomes: _RowOutcomes) -> Mask:
    """Of the rows with something to read, those that are not simply accepted with score 0.

    One and the same row twice is accepted, as its first occurrence is: a row_id cannot have two verdicts.
    """
    listed: Mask = outcomes.rejected | (outcomes.scores > 0)
    rejected = np.flatnonzero(outcomes.rejected)
    twins = outcomes.twins[rejected]
    same = (twins >= len(found.earlier)) & (found.text_ids[twins] == found.row_ids[rejected])
    listed[rejected[same]] = False
    return listed


def _find_large_clusters(
    found: Collisions, rows: Counts, twins: Counts, rule: DedupRule
) -> tuple[Counts, Similarities]:
    """Of each row the size of its cluster and the share of its slice, 0 where that is not too large.

    A cluster is the rows of one slice that are rejected for one twin; rows without a slice count against the
    whole batch.
    """
    sizes = np.where(found.slices == 0, found.slice_rows.sum(), found.slice_rows)
    held_rows, held_shares = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows))
    rejected = np.flatnonzero((twins != NO_TWIN) & ~found.row_canary[rows])
    number = np.searchsorted(found.slices, found.row_slices[rows[rejected]])
    clusters = twins[rejected] * len(found.slices) + number
    _, index, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    size, share = counts[index], counts[index] / sizes[number]
    large = (share > rule.max_cluster_share) & (size >= rule.max_cluster_min_rows)
    held_rows[rejected[large]], held_shares[rejected[large]] = size[large], share[large]
    return held_rows, held_shares
