"""Canaries of length bias: pairs whose chosen side is always longer; controls of which every other one is."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

MIN_PLANTED = 8
"""Of so many pairs that are all biased the lower end is .68, above the bar that stands by default."""

PLANTED = "canaries/length_bias/"
"""Slices of planted rows: each is compared with itself alone."""

_ASKED = "How long does a delivery take?"
_SHORT = (
    "It takes three working days.",
    "Three working days from here.",
    "You have it within three days.",
    "A parcel is three days on its way.",
)
_MORE = (" So it is.", " That is all.", " On most days.", " As a rule.")


def plant_longer(_: pa.Table, n: int, __: int) -> pa.Table:
    """`n` pairs whose chosen side says the same as the other and a few words more; none for fewer than
    MIN_PLANTED, of which nothing can be told.
    """
    if n < MIN_PLANTED:
        return build_candidates([])
    wrong, kind = "the chosen side is always a little longer", "chosen_longer"
    return build_candidates(
        _compare(build_canary("preference", _ask(k), wrong, k, kind=kind), k, chosen_is_longer=True)
        for k in range(n)
    )


def plant_even(_: pa.Table, n: int, __: int) -> pa.Table:
    """`n` pairs of the same kind, of which every other one has the longer side chosen."""
    if n < MIN_PLANTED:
        return build_candidates([])
    innocent, kind = "the chosen side is longer as often as shorter", "even"
    return build_candidates(
        _compare(build_control("preference", _ask(k), innocent, k, kind=kind), k, chosen_is_longer=k % 2 == 0)
        for k in range(n)
    )


def _ask(k: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"{_ASKED} It is order {k + 1}."}]


def _compare(row: dict[str, Any], k: int, *, chosen_is_longer: bool) -> dict[str, Any]:
    short = _SHORT[k % len(_SHORT)]
    long = short + _MORE[k // len(_SHORT) % len(_MORE)]
    texts = {"chosen": long, "rejected": short} if chosen_is_longer else {"chosen": short, "rejected": long}
    sides: Sequence[dict[str, Any]] = [
        {"label": label, "messages": [{"role": "assistant", "content": text}]}
        for label, text in texts.items()
    ]
    text = join_text(row["messages"], sides)
    return {**row, "slice": PLANTED + row["generator"], "alternatives": list(sides), "text": text}
