"""Rows that offer the choices of an eval item: each a line of its own or after a letter, in any order.

The words of four short choices stand in no run of twelve, since a letter parts them, and whoever rewords a
question often leaves its choices alone. A choice that many items of a set offer ("none of the above", "True")
says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from synth_stack.gates.contamination.eval_sets import EvalItems, Fault, name_item
from synth_stack.gates.contamination.stock_phrases import FEW_ITEMS
from synth_stack.text.ragged import Counts, Hashes
from synth_stack.text.words import WORD, hash_texts, hash_words, normalise, weigh_words

if TYPE_CHECKING:
    import polars as pl

FEWEST = 3
"""Choices that have to be found: two are a yes and a no."""

_SHARE = 0.75
_OWNERS = 64  # items that one choice is traced to
_LABEL = r"(?m)(?:^|[ \t;,])[ \t]*(?:\(?(?:[A-Ja-j]|10|[1-9])[.):]|[-*•])[ \t]+"
_READ_CHARS = 20_000
_MAX_LINES = 400


@dataclass(frozen=True, slots=True)
class OfferedChoices:
    """The choices of an item, over all sets, that a text offers: how many, of how many, and whether they say
    enough to be proof by themselves.
    """

    item: int
    found: int
    offered: int
    proof: bool


@dataclass(frozen=True, slots=True)
class ChoiceIndex:
    """The choices of all items: sorted hashes, whose they are (item, over all sets), and what each weighs.

    `offered` (items,) is how many telling choices an item has.
    """

    sets: Sequence[EvalItems]
    hashes: Hashes
    items: Counts
    weights: Counts
    offered: Counts
    min_weight: int

    def describe(self, offered: OfferedChoices) -> Fault:
        """What to say of a text that offers an item's choices."""
        item = offered.item
        for eval_set in self.sets:
            if item < len(eval_set.ids):
                break
            item -= len(eval_set.ids)
        reason = f"shared choices: {offered.found} of {offered.offered} of {name_item(eval_set, item)}"
        shown: dict[str, Any] = {
            "part": "choices",
            "eval_set": eval_set.name,
            "item": eval_set.ids[item],
            "item_text": " / ".join(eval_set.choices[item])[:500],
            "choices_found": offered.found,
            "choices_offered": offered.offered,
        }
        return reason, shown


def index_choices(sets: Sequence[EvalItems], min_words: int) -> ChoiceIndex:
    """The choices of `sets`, without those that FEW_ITEMS or more of a set offer.

    An item that its set holds twice counts once. Proof are choices that weigh `min_words` together.
    """
    import polars as pl

    owners: list[int] = []
    owned: list[int] = []
    texts: list[str] = []
    first = 0
    for number, s in enumerate(sets):
        repeats = s.find_repeats()
        for k, choices in enumerate(s.choices):
            if repeats[k] == k and len(set(choices)) >= FEWEST:
                owners += [first + k] * len(choices)
                owned += [number] * len(choices)
                texts += choices
        first += len(s.ids)
    said = normalise(pl.Series(texts, dtype=pl.String), punctuation=False)
    frame = pl.DataFrame(
        {
            "hash": hash_texts(said),
            "item": np.array(owners, dtype=np.int64),
            "set": np.array(owned, dtype=np.int64),
            "weight": _weigh(said),
        }
    ).filter(pl.col("weight") > 0)
    frame = frame.unique(["hash", "item"], keep="first", maintain_order=True)
    frame = frame.filter(pl.len().over("hash", "set") < FEW_ITEMS).sort("hash", "item")
    offered = np.bincount(frame["item"].to_numpy(), minlength=first)
    return ChoiceIndex(
        sets,
        frame["hash"].to_numpy(),
        frame["item"].to_numpy(),
        frame["weight"].to_numpy(),
        offered,
        min_words * WORD,
    )


def find_choices(index: ChoiceIndex, texts: "pl.Series") -> dict[int, OfferedChoices]:
    """The item of which each text offers most choices, three and three quarters of them at least, by text."""
    import polars as pl

    if not len(index.hashes):
        return {}
    lines = pl.DataFrame({"text": range(len(texts)), "line": texts.str.slice(0, _READ_CHARS)})
    lines = lines.filter(pl.col("line").str.count_matches(_LABEL + r"|\n") >= FEWEST - 1)
    lines = lines.with_columns(
        line=pl.col("line").str.replace_all(_LABEL, "\n").str.split("\n").list.head(_MAX_LINES)
    )
    lines = lines.explode("line").filter(pl.col("line").str.len_chars() > 0)
    hashes = hash_texts(normalise(lines["line"], punctuation=False))
    first = np.searchsorted(index.hashes, hashes)
    last = np.minimum(np.searchsorted(index.hashes, hashes, side="right"), first + _OWNERS)
    hit = np.flatnonzero(last > first)
    counts = (last - first)[hit]
    at = np.repeat(first[hit] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    found = pl.DataFrame(
        {
            "text": np.repeat(lines["text"].to_numpy()[hit], counts),
            "at": at,
            "item": index.items[at],
            "weight": index.weights[at],
        }
    ).unique(["text", "at"])
    counted = found.group_by("text", "item").agg(pl.len().alias("found"), pl.col("weight").sum())
    counted = counted.with_columns(offered=pl.Series(index.offered[counted["item"].to_numpy()]))
    counted = counted.filter(
        pl.col("found") >= FEWEST, pl.col("found") >= (_SHARE * pl.col("offered")).ceil()
    ).sort("text", "weight", "found", "item", descending=[False, True, True, False])
    best = counted.unique("text", keep="first", maintain_order=True)
    return {
        text: OfferedChoices(item, number, offered, proof=weight >= index.min_weight)
        for text, item, number, offered, weight in best.select(
            "text", "item", "found", "offered", "weight"
        ).iter_rows()
    }


def _weigh(normalised: "pl.Series") -> Counts:
    """What the words of each text weigh together, (n,)."""
    words, weights = hash_words(normalised), weigh_words(normalised)
    if weights is None:
        return words.lengths * WORD
    running = np.concatenate([[0], np.cumsum(weights)])
    totals: Counts = np.diff(running[words.offsets])
    return totals
