"""The distilabel steps of dialogues: paths are drawn, turns are asked level by level, rows are written.

A row goes through the steps for each path. Paths of one tree whose branches begin alike stand at the same
node: it is asked once, for the first of them, and all go on from what was said.
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from distilabel.steps import StepInput
from pydantic import Field, PrivateAttr

from synth_stack.generators.dialogue.personas import Persona
from synth_stack.generators.dialogue.trees import Branch, Shape
from synth_stack.generators.steps import Ask, DrawItems, ToCandidates
from synth_stack.rows.canonical import canonical_text, derive_seed, digest_json
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

NODE_SCHEME = "synth_stack/node/v1"
OPENING = "opening"
FOLLOW_UPS = ("detail", "doubt", "constraint", "consequence")
"""What a customer may do next; the texts stand in the template. As many as a node has children at most."""

_OWN_COLUMNS = ("draw", "branch", "moves", "tokens", "spent")
"""What paths through one node do not share; the persona is the same from the first node on."""


class DrawPaths(DrawItems):
    """Yields the paths of the trees of a plan, one tree after the other; no tree stands in two batches.

    The first draw of a tree chooses its topic, seed and randomness; its other rows have the numbers after it.
    `batch_size` has to be a multiple of `paths`.
    """

    depth: int
    fan_out: int
    paths: int
    max_calls: int | None

    _personas: Sequence[Persona] = PrivateAttr()

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "tree", "branch", "moves", "persona", "turns", "nodes", "tokens"]

    def process(self, offset: int = 0) -> Any:
        count = self._plan.count
        for start in range(offset, count, self.batch_size):
            end = min(start + self.batch_size, count)
            trees = (
                self._grow(first, min(self.paths, end - first)) for first in range(start, end, self.paths)
            )
            yield [path for tree in trees for path in tree], end == count

    def _grow(self, first: int, paths: int) -> list[Row]:
        """The items of the first paths of a tree."""
        item = self._plan.item(first)
        seed = item["rng_seed"]
        branches = Shape(self.depth, self.fan_out, self.paths, self.max_calls).draw_branches(seed)
        personas = list(self._personas)
        random.Random(derive_seed(seed, "personas")).shuffle(personas)  # noqa: S311
        return [
            {
                **item,
                "draw": item["draw"] + number,
                "tree": item["draw"],
                "branch": list(branch),
                "moves": [name_move(seed, branch[:level]) for level in range(1, self.depth + 1)],
                "persona": personas[branch[0] % len(personas)].model_dump(),
                "turns": [],
                "nodes": [name_node(seed, (), [])],
                "tokens": {},
                "spent": {},
            }
            for number, branch in enumerate(branches[:paths])
        ]


class AskTurn(Ask):
    """Asks for the turn of one role at one level, once for each node, and puts it after those before."""

    role: str
    level: int = Field(ge=1)

    @property
    def inputs(self) -> list[str]:
        return ["rng_seed", "tree", "branch", "moves", "persona", "turns", "nodes", "tokens"]

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "turns", "nodes"]

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        seed = derive_seed(input["rng_seed"], self.name, *self._branch_of(input))
        values = {**input, **self.values, "move": input["moves"][self.level - 1]}
        prompt = self.template_of(input).render(values, seed=seed, prefers_raw=self.llm.prefers_raw)
        if self.role == "assistant" and not prompt.raw:
            # a model of dialogues is asked as one: what was said before stands as turns of its own
            prompt[-1:-1] = input["turns"][:-1]
        return prompt

    def process(self, inputs: StepInput) -> Any:
        first: dict[tuple[int, Branch], Row] = {}
        for row in inputs:
            first.setdefault((row["tree"], self._branch_of(row)), row)
        [answered] = super().process(list(first.values()))
        said = dict(zip(first, map(self._append, answered), strict=True))
        yield [self._share(said[row["tree"], self._branch_of(row)], row) for row in inputs]

    def _branch_of(self, row: Mapping[str, Any]) -> Branch:
        return tuple(row["branch"][: self.level])

    def _append(self, row: Row) -> Row:
        """The row with what was said as its last turn; an answer makes the node whole."""
        if row.get("failure"):
            return row
        row = {**row, "turns": [*row["turns"], {"role": self.role, "content": row[self.column]}]}
        if self.role == "assistant":
            row["nodes"] = [*row["nodes"], name_node(row["rng_seed"], self._branch_of(row), row["turns"])]
        return row

    def _share(self, said: Row, row: Row) -> Row:
        """What was said at the row's node, on the row; the call stands on the row that it was made for."""
        if said["draw"] == row["draw"]:
            return said
        return {**said, **{name: row[name] for name in _OWN_COLUMNS}}


class ToDialogues(ToCandidates):
    """Turns finished paths into candidate rows of kind dialogue, their nodes and persona in `extra`."""

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "turns", "nodes", "branch", "persona"]

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "parent_id"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        dialogue = {name: row[name] for name in ("nodes", "branch", "moves", "persona")}
        extra = {**json.loads(made["extra"]), "dialogue": {**dialogue, "depth": len(row["branch"])}}
        # a whole path's last node is its leaf; one that failed ends above the exchange that it lacks
        parent = row["nodes"][-1 if row.get("failure") else -2]
        return {
            **made,
            "kind": "dialogue",
            "messages": row["turns"],
            "text": "\n\n".join(turn["content"] for turn in row["turns"]),
            "extra": canonical_text(extra),
            "parent_id": parent,
        }


def name_node(tree_seed: int, branch: Branch, turns: Sequence[Mapping[str, str]]) -> str:
    """The id of a node: 32 hex digits over its tree, its branch and every turn down to it."""
    return digest_json(
        {"scheme": NODE_SCHEME, "tree": tree_seed, "branch": list(branch), "turns": list(turns)}
    )[:32]


def name_move(tree_seed: int, branch: Branch) -> str:
    """What the customer does at the node of a branch; the children of one node do different things."""
    if len(branch) == 1:
        return OPENING
    moves = list(FOLLOW_UPS)
    random.Random(derive_seed(tree_seed, "moves", *branch[:-1])).shuffle(moves)  # noqa: S311
    return moves[branch[-1]]
