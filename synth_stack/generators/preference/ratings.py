"""Ratings of answers by aspect: what is asked, what a reply says, and which answers make a pair."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

ASPECTS: Mapping[str, str] = {
    "instruction_following": "does it do what was asked, within the limits that were named?",
    "truthfulness": "is what it says true, as far as that can be known?",
    "honesty": "does it sound as sure as it can be, and no surer?",
    "helpfulness": "is it clear, complete and of use to whoever asked?",
}
"""The four aspects of UltraFeedback (Cui et al. 2023, arXiv:2310.01377, section 2.4)."""

BEST = 5
"""Ratings are whole numbers from 1 to this."""


def read_ratings(reply: str, aspects: Sequence[str]) -> dict[str, int]:
    """The rating of each aspect in a judge's reply. Raises ValueError for an aspect without one."""
    ratings: dict[str, int] = {}
    for aspect in aspects:
        words = r"[\s_-]+".join(map(re.escape, aspect.split("_")))
        found = re.search(rf"(?i)\b{words}\b[^0-9a-z\n]*([1-{BEST}])(?![0-9.,]*\d)", reply)
        if found is None:
            raise ValueError(f"no rating from 1 to {BEST} for {aspect}")
        ratings[aspect] = int(found[1])
    return ratings


def average(ratings: Mapping[str, int]) -> Decimal:
    """The mean over the aspects, to two decimal places."""
    return (Decimal(sum(ratings.values())) / len(ratings)).quantize(Decimal("0.01"))


def pick_pair(means: Sequence[Decimal], min_margin: Decimal) -> tuple[int, int] | None:
    """The places of the best and of the worst answer; of those that are rated alike the first counts.

    None where the best is not at least `min_margin` above the worst.
    """
    best = max(range(len(means)), key=lambda place: (means[place], -place))
    worst = min(range(len(means)), key=lambda place: (means[place], place))
    return (best, worst) if means[best] - means[worst] >= max(min_margin, Decimal("0.01")) else None
