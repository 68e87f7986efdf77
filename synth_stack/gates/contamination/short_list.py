"""What the first stages find in rows, as Arrow: the sketch of a shard, and what is kept of a batch.

A sketch has one line a row. The state has two tables: `known`, a hash of every row_id, and `noticed`, the
lines of the rows that there is something to say of: shared words, pairs of passages and items that are like
each other, functions to try on items, or nothing to read. What the batch may spend on each of them is decided
when the sketches are merged (batch_budgets.py) and stands in the last two columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth_stack.errors import GateError
from synth_stack.gates.contamination.choice_overlap import ChoiceIndex, find_choices
from synth_stack.gates.contamination.ngram_overlap import Overlap, WordIndex, find_overlaps
from synth_stack.gates.contamination.ngram_table import Flags
from synth_stack.gates.contamination.paraphrase import ItemMeanings, list_near, list_pairs, read_passages
from synth_stack.gates.contamination.quotations import is_quotation
from synth_stack.gates.contamination.reranking import Confirmer
from synth_stack.gates.contamination.row_texts import read_row_texts
from synth_stack.gates.contamination.solved_items import ItemTrials, WantedRuns, list_wanted
from synth_stack.gates.gate import State
from synth_stack.text.fields import find_canaries, hash_ids
from synth_stack.text.ragged import offsets_of

if TYPE_CHECKING:
    import polars as pl

PAIR = pa.struct(
    [
        ("passage", pa.int32()),
        ("block", pa.int32()),
        ("at", pa.int32()),
        ("likeness", pa.float64()),
        ("cosine", pa.float64()),
        ("item_density", pa.float64()),
        ("row_density", pa.float64()),
        ("covered", pa.float64()),
        ("nats", pa.float64()),
        ("literals", pa.float64()),
        ("lost", pa.float64()),
        ("uncoded", pa.float64()),
        ("echoed", pa.float64()),
        ("rare", pa.float64()),
        ("differ", pa.float64()),
    ]
)
"""A pair on the short list (paraphrase.py), without its row."""

RERANKED = 4
"""Pairs of a row that MiniLM rates, the likest by wordllama."""

SHARED = pa.struct(
    [
        ("path", pa.string()),
        ("part", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("shared_words", pa.int64()),
        ("words", pa.int64()),
        ("weak", pa.bool_()),
    ]
)
"""An Overlap (ngram_overlap.py) of the text at `path`."""

CHOICES = pa.struct(
    [
        ("path", pa.string()),
        ("item", pa.int64()),
        ("found", pa.int64()),
        ("offered", pa.int64()),
        ("proof", pa.bool_()),
    ]
)
"""OfferedChoices (choice_overlap.py) of the text at `path`."""

RUN = pa.struct([("function", pa.int32()), ("problem", pa.int32())])

SKETCH = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("canary", pa.bool_(), nullable=False),
        pa.field("readable", pa.bool_(), nullable=False),
        pa.field("shared", SHARED),
        pa.field("choices", CHOICES),
        pa.field("pairs", pa.list_(PAIR)),
        pa.field("by_name", pa.bool_(), nullable=False),
        pa.field("nearness", pa.float64(), nullable=False),
        pa.field("runs", pa.list_(RUN)),
    ]
)
"""`pairs` stand likeliest first, `runs` in the order of trying; `by_name` and `nearness` say what claim the
row has to them (solved_items.WantedRuns). No text is kept: who looks closer has the row."""

NOTICED = SKETCH.append(pa.field("confirmed", pa.bool_(), nullable=False)).append(
    pa.field("taken", pa.int32(), nullable=False)
)
"""`confirmed`: the pairs are rated again; `taken`: how many of the runs are made."""


@dataclass(frozen=True, slots=True)
class ContaminationStages:
    """What the gate compares with, stage by stage; None where a stage is off. `holds_alone`: a row is held
    for its likeness where no other evidence agrees; `lists_all`: pairs are listed that none can agree with;
    `holds_pieces`: a short piece of a longer item counts.
    """

    words: WordIndex
    choices: ChoiceIndex
    meanings: ItemMeanings | None
    confirmer: Confirmer | None
    trials: ItemTrials | None
    holds_alone: bool = True
    lists_all: bool = True
    holds_pieces: bool = True

    @property
    def can_run(self) -> bool:
        """Whether functions are tried."""
        return self.trials is not None and self.trials.level is not None


def sketch_rows(stages: ContaminationStages, table: pa.Table) -> pa.Table:
    """A line of SKETCH for each row of a table: what words say, and what has to be looked at more closely."""
    import polars as pl

    texts = read_row_texts(table)
    shared, readable = _find_shared(stages.words, texts, len(table), holds_pieces=stages.holds_pieces)
    choices = _find_offered(stages.choices, texts)
    settled = {*shared, *(row for row, offered in choices.items() if offered["proof"])}
    pairs, near = pl.DataFrame(), pl.DataFrame({"row": [], "item": [], "nearness": []})
    if stages.meanings is not None:
        said = read_passages(stages.meanings, table, settled)
        pairs = list_pairs(stages.meanings, said, None if stages.lists_all else choices)
        near = list_near(stages.meanings, said, settled) if stages.can_run else near
    wanted = list_wanted(stages.trials, table, near, settled) if stages.trials is not None else {}
    claims = [wanted.get(row, _NO_RUNS) for row in range(len(table))]
    columns = {
        "row_id": table["row_id"],
        "canary": find_canaries(table),
        "readable": readable,
        "shared": [shared.get(row) for row in range(len(table))],
        "choices": [choices.get(row) for row in range(len(table))],
        "pairs": _nest(pairs, len(table), PAIR),
        "by_name": [claim.by_name for claim in claims],
        "nearness": [claim.nearness for claim in claims],
        "runs": _nest(_list_runs(wanted), len(table), RUN),
    }
    return pa.table(columns, schema=SKETCH)


def find_noticed(lines: pa.Table) -> Flags:
    """Which lines of a sketch there is something to say of, (n,)."""
    something = pc.or_(pc.is_valid(lines["shared"]), pc.invert(lines["readable"]))
    offered = pc.struct_field(lines["choices"], "proof")
    something = pc.or_(something, pc.fill_null(offered, fill_value=False))
    for name in ("pairs", "runs"):
        something = pc.or_(something, pc.greater(pc.list_value_length(lines[name]), 0))
    flags: Flags = something.to_numpy(zero_copy_only=False) if len(lines) else np.zeros(0, dtype=bool)
    return flags


def note_down(lines: pa.Table, confirmed: Flags, taken: NDArray[np.int32]) -> pa.Table:
    """Lines of a sketch as NOTICED."""
    columns = {name: lines[name] for name in SKETCH.names}
    return pa.table({**columns, "confirmed": confirmed, "taken": taken}, schema=NOTICED)


def notice_alone(stages: ContaminationStages, table: pa.Table) -> tuple[pa.Table, list[int]]:
    """The lines of NOTICED on rows of a table, and their places in it, where no batch has anything to say."""
    sketch = sketch_rows(stages, table)
    flags = find_noticed(sketch)
    lines = sketch.filter(pa.array(flags))
    nothing = np.zeros(len(lines), dtype=np.int32)
    return note_down(lines, nothing.astype(bool), nothing), np.flatnonzero(flags).tolist()


def read_noticed(state: State, table: pa.Table) -> tuple[pa.Table, list[int]]:
    """The lines of NOTICED on rows of a table, and their places in it. Raises GateError for unknown rows."""
    if "known" not in state or "noticed" not in state:
        raise GateError("contamination: a judge that has to know the batch was given no state of it")
    known, ids = state["known"]["id"].to_numpy(), hash_ids(table)
    place = np.minimum(np.searchsorted(known, ids), max(len(known) - 1, 0))
    strange = known[place] != ids if len(known) else np.ones(len(ids), dtype=bool)
    if strange.any():
        raise GateError(
            "contamination: the state of the batch does not know a row",
            seen=table["row_id"][int(np.flatnonzero(strange)[0])].as_py(),
            mend="Remove the state and verdicts of the gate and run the same command again.",
        )
    lines = pc.index_in(table["row_id"], value_set=state["noticed"]["row_id"])
    rows = np.flatnonzero(lines.is_valid().to_numpy(zero_copy_only=False))
    return state["noticed"].take(lines.drop_null()).combine_chunks(), rows.tolist()


def unnest(lines: pa.Table, name: str, rows: Sequence[int]) -> "pl.DataFrame":
    """A column of lists of structs as a frame of their fields, with the row of each."""
    import polars as pl

    lists = lines[name].combine_chunks()
    flat = lists.flatten()
    owners = np.asarray(rows, dtype=np.int64)[pc.list_parent_indices(lists).to_numpy()]
    fields = {field.name: pl.Series(values=pl.from_arrow(flat.field(field.name))) for field in flat.type}
    return pl.DataFrame({"row": owners, **fields})


_NO_RUNS = WantedRuns()


def _find_shared(
    index: WordIndex, texts: "pl.DataFrame", rows: int, *, holds_pieces: bool
) -> tuple[dict[int, dict[str, Any]], Flags]:
    """By row the overlap of its text that shares most with an item, as SHARED; and which rows have words."""
    found, spoken = find_overlaps(index, texts["content"])
    owners, paths = texts["row"].to_numpy(), texts["path"]
    readable = np.zeros(rows, dtype=bool)
    readable[owners[spoken]] = True
    best: dict[int, tuple[str, Overlap]] = {}
    for number, overlap in found.items():
        row = int(owners[number])
        if overlap.weak and not (holds_pieces and not is_quotation(index, overlap, texts["content"][number])):
            continue
        if row not in best or overlap.rank > best[row][1].rank:
            best[row] = paths[number], overlap
    return {row: {"path": path, **asdict(overlap)} for row, (path, overlap) in best.items()}, readable


def _find_offered(index: ChoiceIndex, texts: "pl.DataFrame") -> dict[int, dict[str, Any]]:
    """By row the item whose choices it offers, as CHOICES."""
    offered: dict[int, dict[str, Any]] = {}
    owners, paths = texts["row"], texts["path"]
    for number, found in find_choices(index, texts["content"]).items():
        row = owners[number]
        if row not in offered or (found.proof, found.found) > (offered[row]["proof"], offered[row]["found"]):
            offered[row] = {"path": paths[number], **asdict(found)}
    return offered


def _list_runs(wanted: Mapping[int, WantedRuns]) -> "pl.DataFrame":
    import polars as pl

    runs = [(row, *pair) for row, asked in sorted(wanted.items()) for pair in asked.pairs]
    return pl.DataFrame(runs, schema=["row", "function", "problem"], orient="row")


def _nest(frame: "pl.DataFrame", n: int, struct: pa.StructType) -> pa.ListArray:
    """The lines of a frame, which are sorted by `row`, as a list of structs for each of n rows."""
    rows = frame["row"].to_numpy().astype(np.int64) if len(frame) else np.zeros(0, dtype=np.int64)
    counts = np.bincount(rows, minlength=n)
    values: list[Any] = [
        frame[field.name].to_arrow().cast(field.type) if len(frame) else pa.array([], field.type)
        for field in struct
    ]
    offsets = pa.array(offsets_of(counts), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(values, fields=list(struct)))
