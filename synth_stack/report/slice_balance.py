"""Before and after of a real set that a run balanced: images by slice, by its lock and decisions."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from synth_stack.runs.locks import BalanceLock

MAX_SLICES = 200
"""Lines of the table; those beyond are counted in `left_out`."""


def tell_balance(
    balance: BalanceLock | None, candidates: Iterable[pa.Table], decisions: pa.Table
) -> dict[str, Any] | None:
    """Of each slice the images of the set `before`, those `planned`, `accepted` and all of them `after`, in
    the order of the budget; None for a run that balanced nothing. `largest` is the longest bar.

    Slices of the set without seeds come last: they stay as they were.
    """
    if balance is None:
        return None
    accepted = _count_accepted(candidates, decisions)
    budget = [(each.slice, each.before, each.rows) for each in balance.slices]
    budget += [(name, n, 0) for name, n in sorted(balance.unseeded.items())]
    lines = [
        {"name": name, "before": n, "planned": rows, "accepted": accepted[name], "after": n + accepted[name]}
        for name, n, rows in budget
    ]
    return {
        "goal": balance.goal,
        "largest": max([balance.goal, *(n + accepted[name] for name, n, _ in budget)]),
        "slices": lines[:MAX_SLICES],
        "left_out": max(0, len(lines) - MAX_SLICES),
    }


def _count_accepted(candidates: Iterable[pa.Table], decisions: pa.Table) -> Counter[str | None]:
    kept = decisions.filter(pa.compute.equal(decisions["decision"], "accepted"))["row_id"]
    ids = set(kept.to_pylist())
    counts: Counter[str | None] = Counter()
    for part in candidates:
        named = zip(part["row_id"].to_pylist(), part["slice"].to_pylist(), strict=True)
        counts.update(name for row_id, name in named if row_id in ids)
    return counts
