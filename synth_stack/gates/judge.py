"""What a gate is: a function that returns a judge."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Shards = Callable[[], Iterable[pa.Table]]
"""Gives the batch's candidate tables from the start, each time it is called."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A gate with its parameters bound and its models loaded.

    `judge(table)` takes a candidate table of n rows and returns a verdict table of n rows in the same
    order; tables come shard by shard in the order of the batch, each row once. `prepare(shards)`, where
    present, runs before the first of them. `facts` is JSON for the record: what was really used (scorer,
    model digests, eval sets with digest and size).

    `finish()`, where present, runs once after the last table and returns further verdicts: outcome
    `hold`, scope `slice`, only for rows that this judge accepted before, each at most once, in the order
    of the batch. It is how a gate acts on what only the whole batch shows; an empty table holds nothing.
    """

    judge: Callable[[pa.Table], pa.Table]
    facts: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Shards], None] | None = None
    finish: Callable[[], pa.Table] | None = None
