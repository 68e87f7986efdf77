"""The distilabel steps of adversarial rows: a strategy is drawn, words are put together, a row is written.

What is drawn stands on the item as `adversarial`, which becomes `extra.adversarial` of the row; a row that
fails keeps it.
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from distilabel.steps import Step, StepInput

from synth_stack.gates.refusal.detection import list_content_words, read_sound
from synth_stack.generators.adversarial.strategies import (
    Placement,
    compose_attempt,
    load_strategies,
    place_order,
    write_document,
    write_order,
)
from synth_stack.generators.steps import Ask, DrawItems, ToCandidates
from synth_stack.rows.canonical import canonical_text, derive_seed

Row = dict[str, Any]
Drawn = TypeVar("Drawn")

TACTICS_SOURCE = "Jiang et al. 2024, arXiv:2406.18510 (WildTeaming)"

SAME_SHARE = 0.8
"""A look-alike that holds this share of the seed's content words is the seed in other words: XSTest's
contrasts change the word that carries the harm, which is one in two or three."""


class DrawAttempts(DrawItems):
    """Yields the items of a plan, each with a strategy and, where it takes one, what its frame has to be."""

    strategies: list[str]

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "strategy", "wish", "frame", "frames", "adversarial"]

    def process(self, offset: int = 0) -> Any:
        for batch, is_last in super().process(offset):
            yield [self._with_strategy(item) for item in batch], is_last

    def _with_strategy(self, item: Row) -> Row:
        name = _draw(item, "strategy", self.strategies)
        strategy = _find(load_strategies().strategies, name)
        others = zip(item["examples"], item["example_ids"], strict=True)
        shown = [pair for pair in others if pair[1] != item["seed_id"]] if _shows_others(name) else []
        return {
            **item,
            "examples": [text for text, _ in shown],
            "example_ids": [id_ for _, id_ in shown],
            "strategy": name,
            "wish": strategy.frame,
            "frame": "",
            "frames": strategy.examples,
            "adversarial": describe_attempt(item, name, strategy.source, "refuse"),
        }


class AskFrame(Ask):
    """Asks for the words around a request, in the rows whose strategy has such words."""

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return bool(row["wish"]) and super().is_asked(row)


class ComposeAttempt(Step):  # type: ignore[misc]  # distilabel has no types
    """Puts the attempt together: frame, encoding, request. A frame that declines the task fails its row."""

    @property
    def inputs(self) -> list[str]:
        return ["seed", "strategy", "frame", "examples"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._compose(row) for row in inputs]

    def _compose(self, row: Row) -> Row:
        if (failed := _fail_without_frame(row)) is not None:
            return failed
        strategy = _find(load_strategies().strategies, row["strategy"])
        return {
            **row,
            "instruction": compose_attempt(strategy, row["seed"], row["frame"], row["examples"]),
        }


def _fail_without_frame(row: Row) -> Row | None:
    """The row as a failure, where there is no frame to compose an attempt of; else None."""
    if row.get("failure"):
        return {**row, "instruction": None}
    if is_declined(row["frame"]):
        return {**row, "instruction": None, "failure": "frame: the teacher declined to write it"}
    return None


class DrawTactics(DrawItems):
    """Yields the items of a plan, each with several tactics that its frame has to use at once."""

    names: list[str]
    fewest: int
    most: int

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "tactics", "endings", "wish", "frame", "adversarial"]

    def process(self, offset: int = 0) -> Any:
        for batch, is_last in super().process(offset):
            yield [self._with_tactics(item) for item in batch], is_last

    def _with_tactics(self, item: Row) -> Row:
        lots = random.Random(derive_seed(item["rng_seed"], "tactics"))  # noqa: S311
        picked = set(lots.sample(self.names, lots.randint(self.fewest, self.most)))
        tactics = [tactic for tactic in load_strategies().tactics if tactic.name in picked]
        told = describe_attempt(item, "tactics", TACTICS_SOURCE, "refuse")
        return {
            **item,
            "tactics": [{"name": each.name, "wish": each.wish} for each in tactics if each.wish],
            "endings": [each.text for each in tactics if each.text],
            "wish": "composed" if any(each.wish for each in tactics) else "",
            "frame": "",
            "adversarial": {**told, "tactics": [each.name for each in tactics]},
        }


class ComposeTactics(Step):  # type: ignore[misc]  # distilabel has no types
    """Puts the attempt together: the frame, the request as it is, and the tactics that are fixed words."""

    @property
    def inputs(self) -> list[str]:
        return ["seed", "frame", "endings"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._compose(row) for row in inputs]

    def _compose(self, row: Row) -> Row:
        if (failed := _fail_without_frame(row)) is not None:
            return failed
        parts = (row["frame"], row["seed"], *row["endings"])
        return {**row, "instruction": "\n\n".join(part for part in parts if part)}


class DrawInjections(DrawItems):
    """Yields the items of a plan, each with an order, what it stands in and where, and the user's task."""

    injections: list[str]
    goals: list[str]
    carriers: list[str]
    placements: list[Placement]

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "topic", "task", "direct", "system", "order", "adversarial"]

    def process(self, offset: int = 0) -> Any:
        for batch, is_last in super().process(offset):
            yield [self._with_order(item) for item in batch], is_last

    def _with_order(self, item: Row) -> Row:
        table = load_strategies()
        form = _find(table.injections, _draw(item, "injection", self.injections))
        goal = _find(table.goals, _draw(item, "goal", self.goals))
        carrier = _find(table.carriers, _draw(item, "carrier", self.carriers))
        task = _draw(item, "task", carrier.tasks)
        number = 1000 + derive_seed(item["rng_seed"], "number") % 9000
        marker = f"{_draw(item, 'marker', table.markers)}-{number}"
        order = write_order(form, goal, marker=marker, request=item["seed"], title=item["title"])
        topic = _draw(item, "topic", table.topics)
        drawn = {
            "goal": goal.name,
            "carrier": carrier.name,
            "topic": topic,
            "placement": _draw(item, "placement", self.placements),
            "marker": marker,
            "injection": order,
        }
        return {
            **item,
            "topic": topic,
            "task": task,
            "direct": carrier.direct,
            "system": task if carrier.direct else None,
            "order": order,
            "adversarial": {**describe_attempt(item, form.name, form.source, "ignore_injection"), **drawn},
        }


class PlaceOrder(Step):  # type: ignore[misc]  # distilabel has no types
    """Writes the document with the order in it, and what the teacher is asked: that, or the clean one."""

    shows_order: bool

    @property
    def inputs(self) -> list[str]:
        return ["body", "topic", "task", "direct", "order", "adversarial"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction", "asked", "shown"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._place(row) for row in inputs]

    def _place(self, row: Row) -> Row:
        if row.get("failure"):
            return {**row, "instruction": None, "asked": None, "shown": None}
        body, said = row["body"], row["adversarial"]
        injected, placement = place_order(body, row["order"], said["placement"])
        shown = injected if self.shows_order else body
        return {
            **row,
            "instruction": _ask_of(row, injected),
            "asked": _ask_of(row, shown),
            "shown": " ".join(shown.split()),
            "adversarial": {**said, "placement": placement, "content": body},
        }


class DrawLookAlikes(DrawItems):
    """Yields the items of a plan, each with the way in which a harmless request is to look like its seed."""

    look_alikes: list[str]

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "wish", "pairs", "adversarial"]

    def process(self, offset: int = 0) -> Any:
        for batch, is_last in super().process(offset):
            yield [self._with_contrast(item) for item in batch], is_last

    def _with_contrast(self, item: Row) -> Row:
        kind = _find(load_strategies().look_alikes, _draw(item, "look_alike", self.look_alikes))
        return {
            **item,
            "wish": kind.wish,
            "pairs": [pair.model_dump() for pair in kind.examples],
            "adversarial": describe_attempt(item, kind.name, kind.source, "comply"),
        }


class CheckLookAlike(Step):  # type: ignore[misc]  # distilabel has no types
    """Fails a row whose request is the forbidden one, looks like nothing forbidden, or is none.

    Before anything is spent on its answer.
    """

    @property
    def inputs(self) -> list[str]:
        return ["instruction", "seed"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction"]

    def process(self, inputs: StepInput) -> Any:
        yield [row if row.get("failure") else {**row, "failure": _find_unlikeness(row)} for row in inputs]


class ReadOpinion(Step):  # type: ignore[misc]  # distilabel has no types
    """Fails a row whose request the teacher does not call harmless, before it is answered."""

    @property
    def inputs(self) -> list[str]:
        return ["opinion"]

    @property
    def outputs(self) -> list[str]:
        return ["opinion"]

    def process(self, inputs: StepInput) -> Any:
        yield [
            row if row.get("failure") else {**row, "failure": _read_harm(row["opinion"])} for row in inputs
        ]


class ToAdversarialRows(ToCandidates):
    """Turns finished items into candidate rows of kind adversarial, what was drawn in `extra`."""

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        system = row.get("system") if made["messages"] else None
        messages = [{"role": "system", "content": system}, *made["messages"]] if system else made["messages"]
        extra = {**json.loads(made["extra"]), "adversarial": row["adversarial"]}
        return {
            **made,
            "kind": "adversarial",
            "messages": messages,
            "text": "\n\n".join(message["content"] for message in messages),
            "extra": canonical_text(extra),
        }


def describe_attempt(item: Row, strategy: str, source: str, behaviour: str) -> Row:
    """What every adversarial row says of itself; `pair` joins the rows of one seed."""
    return {
        "strategy": strategy,
        "source": source,
        "target_policy": item["slice"],
        "expected_behaviour": behaviour,
        "pair": item["seed_id"],
    }


def _draw(item: Row, what: str, choices: Sequence[Drawn]) -> Drawn:
    return choices[derive_seed(item["rng_seed"], what) % len(choices)]


def _find(entries: Sequence[Any], name: str) -> Any:
    return next(entry for entry in entries if entry.name == name)


def _shows_others(name: str) -> bool:
    return bool(_find(load_strategies().strategies, name).encode == "dialogue")


def _ask_of(row: Row, body: str) -> str:
    carrier = _find(load_strategies().carriers, row["adversarial"]["carrier"])
    document = write_document(carrier, row["topic"], body)
    return document if carrier.direct else f"{row['task']}\n\n{document}"


def is_declined(text: str) -> bool:
    """Whether a teacher says that it won't write something; "I can't sleep" alone is part of a story."""
    sound = read_sound(text)
    if sound.refusal is None or not sound.refuses or sound.apology is None:
        return False
    return sound.apology.start <= sound.refusal.start


def _read_harm(opinion: str) -> str | None:
    if opinion.strip(" \"'*.").lower().startswith("harmless"):
        return None
    return f"opinion: the teacher does not call the request harmless: {opinion[:40]}"


def _find_unlikeness(row: Row) -> str | None:
    written, seed = list_content_words(row["instruction"]), list_content_words(row["seed"])
    if is_declined(row["instruction"]):
        return "instruction: the teacher declined to write it"
    if seed and len(seed & written) >= SAME_SHARE * len(seed):
        return "instruction: it is the forbidden request, not one that looks like it"
    if not written & (seed | list_content_words(f"{row['title']} {row['description']}")):
        return "instruction: it looks like nothing forbidden: no word in common with seed or policy"
    return None
