"""What to draw: which topic, which seeds and which random seed each candidate starts from.

A plan is a pure function of the corpus, the run's seed and the method, so a resumed run draws what the first
one would have drawn, and batch k can be planned without planning the ones before it.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

from synth_stack.inputs.seeds import Corpus
from synth_stack.rows.canonical import derive_seed

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Aim:
    """What some draws of a run are aimed at: those from `first_draw` on, one for each of `slices`.

    A seed is drawn within its slice in proportion to its weight; one without a weight has 1.
    """

    first_draw: int
    slices: Sequence[str]
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The draws of one method: numbers `first_draw` to `first_draw + count - 1` of the run.

    With an `aim` they get their slices and seeds by it, else evenly over the slices and their seeds. With
    `draws` it is these numbers, and `count` of them.
    """

    corpus: Corpus
    about: str
    run_seed: int
    method: str
    first_draw: int
    count: int
    examples: int = 0
    grounding_words: int | None = None
    aim: Aim | None = None
    draws: Sequence[int] = ()

    def batches(self, size: int) -> Iterator[list[Item]]:
        """The items in order, `size` at a time; the last batch may be shorter."""
        for start in range(0, self.count, size):
            yield [self.item(i) for i in range(start, min(start + size, self.count))]

    def item(self, i: int) -> Item:
        """The i-th draw.

        Without an aim topics come round in shuffled rounds over the whole run, whatever the method, so that
        every slice gets its share as early as it can.
        """
        draw = self.draws[i] if self.draws else self.first_draw + i
        slice_ = self._slice_of(draw)
        rng = random.Random(derive_seed(self.run_seed, self.method, draw, "item"))  # noqa: S311
        seed_row = self._pick_seed(rng, slice_)
        topic = self.corpus.topics[slice_]
        return {
            "draw": draw,
            "slice": slice_,
            "rng_seed": derive_seed(self.run_seed, self.method, draw),
            "about": self.about,
            "title": topic.title,
            "description": topic.description,
            "grounding": self._groundings[slice_],
            "seed_id": self._column("seed_id", seed_row),
            "seed": self._column("text", seed_row),
            "locale": self._column("locale", seed_row),
            **self._pick_examples(rng, slice_, seed_row),
        }

    def _slice_of(self, draw: int) -> str:
        if self.aim is not None:
            return self.aim.slices[draw - self.aim.first_draw]
        round_, position = divmod(draw, len(self._slices))
        return self._shuffled_slices(round_)[position]

    def _pick_seed(self, rng: random.Random, slice_: str) -> int:
        rows = self._rows_by_slice[slice_]
        if self.aim is None:
            return rng.choice(rows)
        return rng.choices(rows, cum_weights=self._weights_by_slice[slice_])[0]

    def _pick_examples(self, rng: random.Random, slice_: str, seed_row: int) -> Item:
        others = [row for row in self._rows_by_slice[slice_] if row != seed_row]
        picked = rng.sample(others, min(max(self.examples - 1, 0), len(others)))
        rows = [seed_row, *picked] if self.examples else []
        rng.shuffle(rows)
        return {
            "examples": [self._column("text", row) for row in rows],
            "example_ids": [self._column("seed_id", row) for row in rows],
        }

    def _shuffled_slices(self, round_: int) -> Sequence[str]:
        if round_ not in self._last_round:
            slices = list(self._slices)
            random.Random(derive_seed(self.run_seed, "round", round_)).shuffle(slices)  # noqa: S311
            self._last_round.clear()
            self._last_round[round_] = slices
        return self._last_round[round_]

    def _column(self, name: str, row: int) -> Any:
        return self._columns[name][row].as_py()

    @cached_property
    def _last_round(self) -> dict[int, list[str]]:
        """The slices of the round that was asked for last: draws come in order."""
        return {}

    @cached_property
    def _columns(self) -> dict[str, Any]:
        """The columns of the seeds, each in one chunk, where a row is found at once."""
        seeds = self.corpus.seeds.combine_chunks()
        return {name: seeds[name].chunk(0) for name in ("seed_id", "text", "locale")}

    @cached_property
    def _groundings(self) -> dict[str, str | None]:
        sections = {slice_: self.corpus.grounding(slice_) for slice_ in self._slices}
        return {slice_: cut_to_sentences(text, self.grounding_words) for slice_, text in sections.items()}

    @cached_property
    def _rows_by_slice(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, slice_ in enumerate(self.corpus.seeds["slice"].to_pylist()):
            rows.setdefault(slice_, []).append(row)
        return rows

    @cached_property
    def _weights_by_slice(self) -> dict[str, list[float]]:
        """The weights of the seeds of each slice, each with those before it added."""
        weights = self.aim.weights if self.aim is not None else {}
        return {
            slice_: list(accumulate(weights.get(self._column("seed_id", row), 1.0) for row in rows))
            for slice_, rows in self._rows_by_slice.items()
        }

    @cached_property
    def _slices(self) -> list[str]:
        return sorted(self._rows_by_slice)


def cut_to_sentences(text: str | None, max_words: int | None) -> str | None:
    """The first whole sentences of `text` within `max_words` words, at least one; None stays None."""
    if text is None or max_words is None:
        return text
    sentences = re.split(r"(?<=[.!?])\s+", text)
    kept = sentences[:1]
    for sentence in sentences[1:]:
        if len(" ".join([*kept, sentence]).split()) > max_words:
            break
        kept.append(sentence)
    return " ".join(kept)
