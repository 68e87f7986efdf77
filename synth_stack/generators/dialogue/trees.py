"""The shape of a tree of dialogues, and which of its paths are taken.

A node is one exchange, named by its branch: the number of the child taken at each level from the root on.
Leaf k of the full tree has the digits of k to the base of the fan-out as its branch. Leaves are drawn first,
and only the nodes above them are grown, so what is shared is asked once.
"""

import random
from dataclasses import dataclass

from synth_stack.errors import ConfigError
from synth_stack.rows.canonical import derive_seed

Branch = tuple[int, ...]

CALLS_PER_NODE = 2
"""The customer's turn and the answer."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`depth` exchanges on a path, `fan_out` children of a node, `paths` leaves taken of each tree.

    `max_calls` bounds the calls of a teacher for one tree; None: whatever its paths need.
    """

    depth: int
    fan_out: int
    paths: int
    max_calls: int | None

    @property
    def leaves(self) -> int:
        """Of the full tree."""
        return self._leaves_below(0)

    @property
    def least_calls(self) -> int:
        """What `paths` leaves cost when they lie as close together as they can."""
        return CALLS_PER_NODE * sum(self._least_nodes(level) for level in range(1, self.depth + 1))

    def check(self, method: str) -> None:
        """Raises ConfigError for a tree that has too few leaves, or cannot keep to its budget."""
        if self.paths > self.leaves:
            raise ConfigError(
                f"{method}: a tree of depth {self.depth} and fan_out {self.fan_out} has too few paths",
                seen=f"paths: {self.paths}",
                allowed=f"at most {self.leaves}",
            )
        if self.max_calls is not None and self.max_calls < self.least_calls:
            raise ConfigError(
                f"{method}: {self.paths} paths of depth {self.depth}, fan_out {self.fan_out} need more calls",
                seen=f"max_calls: {self.max_calls}",
                allowed=f"at least {self.least_calls}",
                mend="Raise max_calls, or take fewer or shorter paths.",
            )

    def draw_branches(self, seed: int) -> list[Branch]:
        """`paths` different branches from root to leaf, in order; the same for the same seed.

        They are drawn from all leaves alike. Where their nodes would need more than `max_calls` calls, they
        are drawn again from fewer and fewer nodes, of the first level first, until they share enough.
        """
        rng = random.Random(derive_seed(seed, "leaves"))  # noqa: S311
        leaves = list(range(self.leaves))
        picked = rng.sample(leaves, self.paths)
        for level in range(1, self.depth):
            below = self._leaves_below(level)
            nodes = sorted({leaf // below for leaf in leaves})
            rng.shuffle(nodes)
            while not self._is_within(picked) and len(nodes) > self._least_nodes(level):
                dropped = nodes.pop()
                leaves = [leaf for leaf in leaves if leaf // below != dropped]
                picked = rng.sample(leaves, self.paths)
        return [self._branch_of(leaf) for leaf in sorted(picked)]

    def _is_within(self, picked: list[int]) -> bool:
        if self.max_calls is None:
            return True
        nodes = {
            (level, leaf // self._leaves_below(level))
            for level in range(1, self.depth + 1)
            for leaf in picked
        }
        return CALLS_PER_NODE * len(nodes) <= self.max_calls

    def _leaves_below(self, level: int) -> int:
        return int(self.fan_out ** (self.depth - level))

    def _least_nodes(self, level: int) -> int:
        """How many nodes of a level `paths` leaves need."""
        return -(-self.paths // self._leaves_below(level))

    def _branch_of(self, leaf: int) -> Branch:
        return tuple(leaf // self._leaves_below(level) % self.fan_out for level in range(1, self.depth + 1))
