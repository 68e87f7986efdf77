"""What is decided of a whole batch: which rows are new, and which text is nearest to each of the others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.errors import GateError
from synth_stack.gates.gate import State
from synth_stack.gates.novelty.instructions import (
    find_chains,
    find_instances,
    find_origins,
    read_instructions,
)
from synth_stack.gates.novelty.pool import TextPool
from synth_stack.gates.novelty.rouge_l import read_words
from synth_stack.text.fields import hash_ids, read_texts
from synth_stack.text.ragged import Counts, Hashes, Mask, join_rows, read_lists, write_lists

SHOWN_CHARS = 200
"""Of the text that is nearest to a rejected row, in its evidence."""

_NONE = -1

_ROWS = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("readable", pa.bool_()),
        pa.field("score", pa.float64()),
        pa.field("neighbour", pa.int32()),
    ]
)
_NEIGHBOURS = pa.schema(
    [pa.field("name", pa.string()), pa.field("is_seed", pa.bool_()), pa.field("text", pa.string())]
)


class Neighbour(NamedTuple):
    """A text that a row is too near to: its row_id or the id of its seed, and its beginning."""

    name: str
    is_seed: bool
    text: str


@dataclass(frozen=True, slots=True)
class NoveltyOutcome:
    """Of each of n rows, sorted by the hash of its row_id: the highest ROUGE-L, and what it repeats.

    `ids` (n,); `readable` (n,), false where there is nothing to compare; `scores` (n,); `neighbours` (n,), a
    row of `names`, or -1 for a row that is new.
    """

    ids: Hashes
    readable: Mask
    scores: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    names: pa.Table

    @classmethod
    def from_state(cls, state: State) -> "NoveltyOutcome":
        """What `decide_novelty` wrote. Raises GateError where it is missing."""
        if "rows" not in state or "neighbours" not in state:
            raise GateError("novelty was asked for verdicts before it saw the batch")
        rows = state["rows"]
        return cls(
            ids=rows["id"].to_numpy(),
            readable=rows["readable"].to_numpy(),
            scores=rows["score"].to_numpy(),
            neighbours=rows["neighbour"].to_numpy(),
            names=state["neighbours"],
        )

    def find(self, ids: Hashes) -> Counts:
        """The places of the rows of these ids, (n,). Raises GateError for one that was not in the batch."""
        place = np.minimum(np.searchsorted(self.ids, ids), max(len(self.ids) - 1, 0))
        if len(ids) and not (len(self.ids) and (self.ids[place] == ids).all()):
            raise GateError("novelty was asked about a row that it did not see when it learnt the batch")
        return place

    def name(self, numbers: Counts) -> list[Neighbour]:
        """The texts of these rows of `names`, in order."""
        named = self.names.take(pa.array(numbers))
        return [
            Neighbour(*row) for row in zip(*(column.to_pylist() for column in named.columns), strict=True)
        ]


def sketch_instructions(table: pa.Table, _: State, *, numbers: Mapping[str, int]) -> pa.Table:
    """The words of each row's instruction, its beginning, and the number of the seed that it may be near."""
    instructions = read_instructions(table)
    return pa.table(
        {
            "words": write_lists(read_words(instructions)),
            "id": hash_ids(table),
            "row_id": table["row_id"].cast(pa.string()),
            "passed_over": find_origins(table, numbers),
            "instance": find_instances(table),
            "chain": find_chains(table).to_arrow().cast(pa.string()),
            "beginning": instructions.str.slice(0, SHOWN_CHARS).to_arrow().cast(pa.string()),
        }
    )


def decide_novelty(sketches: Iterable[pa.Table], _: State, *, seeds: pa.Table, threshold: float) -> State:
    """The rows one by one against the pool, which each that is new joins; then the texts to be shown.

    A link of a chain of evolution is near the links before it on purpose, and not compared with them. What
    was decided of the first instance of a task holds for the others, which say the task again.
    """
    parts, first = list(sketches), len(seeds)
    ids = np.concatenate([np.zeros(0, np.uint64), *[part["id"].to_numpy() for part in parts]])
    passed_over = np.concatenate([np.zeros(0, np.int64), *[part["passed_over"].to_numpy() for part in parts]])
    instance = np.concatenate([np.zeros(0, np.int64), *[part["instance"].to_numpy() for part in parts]])
    words = join_rows([read_words(read_texts(seeds["text"])), *(read_lists(part["words"]) for part in parts)])
    readable = words.lengths > 0
    pool = TextPool(words)
    for number in np.flatnonzero(readable[:first]).tolist():
        pool.add(number)
    scores = np.zeros(len(ids))
    nearest = np.full(len(ids), _NONE, dtype=np.int64)
    chain = [name for part in parts for name in part["chain"].to_pylist()]
    links: dict[str, list[int]] = {}
    tasks: dict[bytes, int] = {}
    for row in np.flatnonzero(readable[first:]).tolist():
        if instance[row] >= 0:
            said = words.values[words.offsets[first + row] : words.offsets[first + row + 1]].tobytes()
            task = tasks.setdefault(said, row)
            if instance[row] > 0 and task != row:
                scores[row], nearest[row] = scores[task], nearest[task]
                continue
        found = pool.find_nearest(
            first + row, without=[int(passed_over[row]), *links.get(chain[row] or "", ())]
        )
        if found.rouge_l < threshold:
            pool.add(first + row)
            if chain[row] is not None:
                links.setdefault(chain[row], []).append(first + row)
        else:
            nearest[row] = found.text
        scores[row] = found.rouge_l
    shown, place = np.unique(nearest, return_inverse=True)
    # -1 comes first where there is one
    neighbour = (place - np.count_nonzero(shown == _NONE)).astype(np.int32)
    order = np.argsort(ids, kind="stable")
    columns = [ids[order], readable[first:][order], scores[order], neighbour[order]]
    return {
        "rows": pa.table([pa.array(column) for column in columns], schema=_ROWS),
        "neighbours": _name_texts(seeds, parts, shown[shown != _NONE]),
    }


def _name_texts(seeds: pa.Table, parts: Sequence[pa.Table], numbers: Counts) -> pa.Table:
    """The names and beginnings of the numbered texts, the seeds before the rows."""
    own = seeds.take(pa.array(numbers[numbers < len(seeds)]))
    beginnings = [text[:SHOWN_CHARS] for text in own["text"].to_pylist()]
    found = [_write_neighbours(own["seed_id"], beginnings, is_seed=True)]
    first = len(seeds)
    for part in parts:
        here = part.take(pa.array(numbers[(numbers >= first) & (numbers < first + len(part))] - first))
        found.append(_write_neighbours(here["row_id"], here["beginning"], is_seed=False))
        first += len(part)
    return pa.concat_tables(found).combine_chunks()


def _write_neighbours(
    names: pa.ChunkedArray, texts: pa.ChunkedArray | list[str], *, is_seed: bool
) -> pa.Table:
    return pa.table([names, pa.array([is_seed] * len(names), pa.bool_()), texts], schema=_NEIGHBOURS)
