"""What a gate is: a function that returns a judge."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Shards = Callable[[], Iterable[pa.Table]]
"""Gives the batch's candidate tables from the start, each time it is called."""

Judged = Callable[[], Iterable[tuple[pa.Table, pa.Table]]]
"""Gives (candidates, verdicts) of every table that was judged, in order, each time it is called."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A gate with its parameters bound and its models loaded.

    expect(rows)         is told before all else how many rows of the batch there are to judge
    prepare(shards)      runs once before the first table: what the whole batch has to say (an index)
    judge(table)         a candidate table of n rows -> a verdict table of n rows in the same order
    finish(judged)       runs once after the last table: further verdicts that only the whole batch shows
    plant(sample, n, seed)   up to n rows that this gate has to turn away, made from a sample of the batch
    amend(table)         candidate rows that replace some of the table's (a redacted copy)

    Once prepared, `judge` depends on its table and on nothing that was judged before: a stopped run goes on
    at any table, and an engine may judge tables in any order. So whatever compares rows with one another
    does it in `prepare`, which sees the same rows that will be judged. A judge without `prepare` may be made
    again in other processes, each of which judges a part of the tables, and its verdicts on earlier tables
    are kept when rows are added to a batch.

    `finish` returns verdicts of outcome `hold`, scope `slice` or `batch`, only for rows that this judge
    accepted, each at most once, in the order of the batch; an empty table holds nothing.

    `plant` makes canaries: candidate rows (`kind`, `messages`, `text`, ... as the gate's rows have them;
    generator "canary", `extra` saying in `canary` what is wrong with the row) that `judge` has to reject
    or hold. They are shown to `prepare` and `judge` behind every row of the batch, must not change what is
    said of those rows, and reach no pile and no pack. Deterministic in `seed`. `min_recall` is the share of
    them below which the gate counts as blind and the batch fails.

    `amend` makes new candidate rows, with `parent_id` naming the row each is made from; `judge` must reject
    that row (its reason says that another stands for it). A judge that amends must be the first gate.

    `facts` is JSON for the record: what was really used (scorer, model digests, eval sets with digest and
    size).
    """

    judge: Callable[[pa.Table], pa.Table]
    facts: Mapping[str, Any] = field(default_factory=dict)
    expect: Callable[[int], None] | None = None
    prepare: Callable[[Shards], None] | None = None
    finish: Callable[[Judged], pa.Table] | None = None
    plant: Callable[[pa.Table, int, int], pa.Table] | None = None
    min_recall: float = 0.9
    amend: Callable[[pa.Table], pa.Table] | None = None
