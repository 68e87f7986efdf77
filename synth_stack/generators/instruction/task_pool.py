"""Self-Instruct's pool: the seeds, and the tasks that were made before and are new."""

import json
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from synth_stack.gates.novelty.pool import TextPool
from synth_stack.gates.novelty.rouge_l import read_words
from synth_stack.text.ragged import Ragged, join_rows


class PoolTask(NamedTuple):
    """A task that was made: its draw and slice, the id of its row, and its instruction."""

    draw: int
    slice: str
    row_id: str
    instruction: str


class Near(NamedTuple):
    """The text of the pool that is nearest to an instruction, by name, and their ROUGE-L; "" for none."""

    name: str
    rouge_l: float


class TaskPool:
    """The tasks that examples are drawn from, and that new ones are held against.

    What was learnt joins the pool in the order of its draws, each task that has a ROUGE-L of less than
    `max_rouge_l` with every one that is there (section 2.3). Which are there before a draw depends on the
    rows before it alone, in whatever order they were learnt.
    """

    def __init__(self, seeds: Mapping[str, str], max_rouge_l: float) -> None:
        self._max_rouge_l = max_rouge_l
        self._names = list(seeds)
        self._parts = [read_words(pl.Series(list(seeds.values()), dtype=pl.String))]
        self._learnt: dict[str, PoolTask] = {}
        self._waiting: list[PoolTask] = []
        self._own: dict[str, list[PoolTask]] = {}
        self._lock = Lock()

    def learn(self, rows: pa.Table) -> bool:
        """Take in the tasks of rows; False, and nothing, where one names a parent that is not there."""
        columns = ["row_id", "draw", "slice", "failure", "extra", "params"]
        fresh: dict[str, PoolTask] = {}
        for row in rows.select(columns).to_pylist():
            if not self._learnt.keys() >= {*json.loads(row["params"] or "{}").get("parents", ())}:
                return False
            task = json.loads(row["extra"] or "{}").get("task")
            if row["failure"] is None and task and not task["instance"]:
                fresh[row["row_id"]] = PoolTask(row["draw"], row["slice"], row["row_id"], task["instruction"])
        with self._lock:
            added = [task for id_, task in fresh.items() if id_ not in self._learnt]
            self._learnt |= fresh
            self._waiting += added
        return True

    def list_own(self, slice_: str, before: int) -> list[PoolTask]:
        """The tasks of a slice in the pool that were drawn before draw `before`, in order."""
        with self._lock:
            self._admit(before)
            return [task for task in self._own.get(slice_, ()) if task.draw < before]

    def find_nearest(self, instructions: Sequence[str], before: int) -> list[Near]:
        """What is nearest to each instruction, of the pool before draw `before`."""
        with self._lock:
            self._admit(before)
            return self._compare(instructions)

    def _admit(self, before: int) -> None:
        """Let those that were drawn before `before` join, in order, each if it is new."""
        ready = sorted(task for task in self._waiting if task.draw < before)
        if not ready:
            return
        self._waiting = [task for task in self._waiting if task.draw >= before]
        texts = [task.instruction for task in ready]
        words, pool, first = self._lay_out(texts)
        kept = []
        for place, task in enumerate(ready):
            number = first + place
            if not words.lengths[number] or pool.find_nearest(number).rouge_l >= self._max_rouge_l:
                continue
            pool.add(number)
            kept.append(place)
            self._own.setdefault(task.slice, []).append(task)
        self._names += [ready[place].row_id for place in kept]
        self._parts = [
            join_rows(
                [*self._parts, read_words(pl.Series([texts[place] for place in kept], dtype=pl.String))]
            )
        ]

    def _compare(self, instructions: Sequence[str]) -> list[Near]:
        words, pool, first = self._lay_out(instructions)
        found = [pool.find_nearest(first + place) for place in range(len(words.lengths) - first)]
        return [Near(self._names[near.text] if near.text >= 0 else "", near.rouge_l) for near in found]

    def _lay_out(self, instructions: Sequence[str]) -> tuple[Ragged, TextPool, int]:
        """The words of the pool and of others after them, the pool by these numbers, and the first other."""
        asked = read_words(pl.Series(list(instructions), dtype=pl.String))
        words = join_rows([*self._parts, asked])
        pool = TextPool(words)
        first = len(self._names)
        for number in range(first):
            if words.lengths[number]:
                pool.add(number)
        return words, pool, first
