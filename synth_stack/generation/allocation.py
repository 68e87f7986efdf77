"""How many draws of which slice a round takes, and which seeds it draws from.

Pure arithmetic on how many rows were made of each slice and each seed, and how many of them were accepted.
Goals and cuts are exact; expectations are floats, the same on every machine (only + * / and sums).
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from synth_stack.errors import ConfigError
from synth_stack.generation.draws import Aim
from synth_stack.inputs.recipe import Target
from synth_stack.registry import suggest
from synth_stack.rows.canonical import derive_seed
from synth_stack.stats.apportion import split_exactly

Counts = Mapping[str, int]
"""A number of rows for each slice, or for each seed."""

MAX_RATIO = 4
"""Draws for each row that is still missing: an acceptance below a quarter is not believed at once."""
HOPELESS_ROWS = 10
"""Rows of a slice of which none was accepted, before others get its share. Of a slice that is accepted one
time in four, ten rows are all rejected 6 times in 100 (0.75**10)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many rows in all, over the slices in proportion to `weights`, of some at least `minima`.

    `weights` names every slice, in an order that is no slice's favour: it breaks ties.
    """

    total: int
    weights: Counts
    minima: Counts


def share_out(total: int, weights: Counts, floors: Counts) -> dict[str, int]:
    """Goals that add up to `total`: in proportion to `weights`, none below its floor.

    Where the floors add up to more than `total` they are the goals. What remains of fractions goes by
    largest remainder, in the order of `weights` among equals. At least one weight is above 0.
    """
    goals = {name: floors.get(name, 0) for name in weights}
    free = [name for name, weight in weights.items() if weight]
    left = total - sum(goals.values())
    if left <= 0:
        return goals
    while True:
        left = total - sum(goals[name] for name in weights if name not in free)
        whole = sum(weights[name] for name in free)
        above = [name for name in free if left * weights[name] >= goals[name] * whole]
        if above == free:
            break
        free = above
    goals.update(zip(free, split_exactly(left, [weights[name] for name in free]), strict=True))
    return goals


def set_goals(wanted: Wanted, made: Counts, accepted: Counts) -> dict[str, int]:
    """How many accepted rows of each slice there are to be in the end, at least `wanted.total` in all.

    No slice below its minimum or what it has. A slice without a minimum of which HOPELESS_ROWS were made and
    none was accepted is passed over as long as another has accepted rows: its share goes to the others.
    """
    weights, minima = wanted.weights, wanted.minima
    floors = {name: max(minima.get(name, 0), accepted.get(name, 0)) for name in weights}
    kept = {
        name: 0 if not floors[name] and made.get(name, 0) >= HOPELESS_ROWS else weight
        for name, weight in weights.items()
    }
    some_hope = any(weight and accepted.get(name) for name, weight in kept.items())
    return share_out(wanted.total, kept if some_hope else weights, floors)


def expect_acceptance(
    made: Counts, accepted: Counts, seeds: Mapping[str, Iterable[tuple[int, int]]]
) -> dict[str, float]:
    """By slice, the share of its next rows that should be accepted, above 0 and at most 1.

    `seeds` has (made, accepted) of every seed of each slice, (0, 0) of fresh ones. A slice of which a of m
    rows were accepted is credited with (a + 2p) / (m + 2), where p is that share of all rows,
    (A + 1) / (M + 2): its own rows and two of what is known of the others (a beta prior). Each of its seeds
    is credited in the same way from its slice, and the mean over seeds is taken as they will be drawn
    (`weigh_seed`): once dull seeds have faded a slice does better than it did. Before any row is made, 1: a
    first round makes no more rows than are wanted.
    """
    all_made, all_accepted = sum(made.values()), sum(accepted.values())
    if not all_made:
        return dict.fromkeys(seeds, 1.0)
    overall = min((all_accepted + 1) / (all_made + 2), 1.0)
    expected: dict[str, float] = {}
    for name, counts in seeds.items():
        mean = (accepted.get(name, 0) + 2 * overall) / (made.get(name, 0) + 2)
        weighed = [(weigh_seed(m, a), (a + 2 * mean) / (m + 2)) for m, a in counts]
        total = math.fsum(weight for weight, _ in weighed)
        expected[name] = min(math.fsum(weight * share for weight, share in weighed) / total, 1.0)
    return expected


def count_draws(
    goals: Counts, made: Counts, accepted: Counts, expected: Mapping[str, float]
) -> dict[str, int]:
    """The draws of each slice that should bring what its goal still needs; slices without need left out.

    At most MAX_RATIO draws for each row that is missing, or as many as were made of the slice: one that gives
    little doubles each time, and so few rounds find out.
    """
    draws: dict[str, int] = {}
    for name, goal in goals.items():
        need = goal - accepted.get(name, 0)
        if need > 0:
            draws[name] = min(math.ceil(need / expected[name]), max(MAX_RATIO * need, made.get(name, 0)))
    return draws


def cut_draws(draws: Counts, most: int) -> dict[str, int]:
    """The draws, each cut in proportion so that there are at most `most`; slices without one left out."""
    if sum(draws.values()) <= most:
        return dict(draws)
    cut = zip(draws, split_exactly(most, list(draws.values())), strict=True)
    return {name: n for name, n in cut if n}


def weigh_seed(made: int, accepted: int) -> float:
    """How likely a seed is drawn, relative to one of which nothing was made yet.

    The square of its expected acceptance (a + 1) / (m + 2) over that of a fresh seed, 1/2 (Laplace's rule of
    succession). A seed whose rows are rejected, or repeat each other, which is rejected too, fades: after
    four rejects it is drawn a ninth as often. The square, because in proportion it would still be a third. It
    never vanishes: the fault may have been the method's.
    """
    return (2 * (accepted + 1) / (made + 2)) ** 2


def aim_draws(draws: Counts, run_seed: int, first_draw: int, seeds: Mapping[str, tuple[int, int]]) -> Aim:
    """The draws of a round in a seeded shuffle, so that methods and batches get their share of each slice.

    `seeds` has (made, accepted) of every seed that rows were made of.
    """
    slices = [name for name in sorted(draws) for _ in range(draws[name])]
    random.Random(derive_seed(run_seed, "aim", first_draw)).shuffle(slices)  # noqa: S311
    return Aim(first_draw, slices, {seed: weigh_seed(*counts) for seed, counts in seeds.items()})


def order_slices(slices: Sequence[str], run_seed: int) -> list[str]:
    """The slices in the order in which a run's first draws would come to them (plan.py)."""
    order = sorted(slices)
    random.Random(derive_seed(run_seed, "round", 0)).shuffle(order)  # noqa: S311
    return order


def read_minima(target: Target, slices: Sequence[str], *, where: str) -> dict[str, int]:
    """The accepted rows that each slice has to have. Raises ConfigError where that cannot be."""
    asked = target.per_slice
    if isinstance(asked, int):
        if asked * len(slices) > target.accepted:
            raise ConfigError(
                f"{where}.per_slice asks for more rows than accepted",
                seen=f"{asked} of each of {len(slices)} slices: {asked * len(slices)} rows",
                allowed=f"{target.accepted} in all",
            )
        return dict.fromkeys(slices, asked)
    for name in asked or {}:
        if name not in slices:
            raise ConfigError(
                f"{where}.per_slice: no seed is of that slice",
                seen=name,
                allowed=", ".join(sorted(slices)[:5]) + (", ..." if len(slices) > 5 else ""),
                mend=suggest(name, dict.fromkeys(slices)),
            )
    return dict(asked or {})
