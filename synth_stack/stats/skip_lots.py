"""Skip-lot sampling: lots of one kind that go unread once some in succession have passed (Dodge and Perry,
SkSP-2).

After CLEARANCE lots of a chain have passed one after another, each further lot is read with probability
FRACTION only, until one fails (Perry 1973, "Skip-lot sampling plans", Journal of Quality Technology 5). The
saving is earned by an assumption: lots of a chain have one and the same share of defects. For lots that fail
each on its own there is no saving at the same risk, since a bad lot after good ones would pass unread.
"""

from dataclasses import replace

from synth_stack.stats.acceptance import Risks

CLEARANCE = 2
"""Lots that have to pass in succession: chains of a slice are short, and two passes leave a bad chain 0.25%
at the 5% of a tier."""
FRACTION = 0.5
"""The share of further lots that are read: the largest saving that Perry's tables give with so short a
clearance."""


def tighten(risks: Risks) -> Risks:
    """The risks that the plan of each lot has to keep, so that a lot of a chain keeps the asked ones."""
    low, high = 0.0, risks.beta
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chain_risk(middle) <= risks.beta else (low, middle)
    return replace(risks, beta=low)


def chain_risk(passes: float) -> float:
    """The probability at most with which a lot of a chain passes, where each passes so often when it is read.

    Perry's equation for SkSP-2 in the long run; a lot nearer to the start of its chain passes less often.
    """
    cleared = (1 - FRACTION) * passes**CLEARANCE
    return (FRACTION * passes + cleared) / (FRACTION + cleared)


def read_share(passes: float, lots: int) -> float:
    """The share of the lots of a chain that are read on average, where each passes so often when it is read.

    Followed from lot to lot: how many in succession have passed, up to CLEARANCE. A skipped lot changes
    nothing.
    """
    chance = [1.0] + [0.0] * CLEARANCE
    read = 0.0
    for _ in range(lots):
        cleared = chance[CLEARANCE]
        read += 1 - cleared * (1 - FRACTION)
        failed = (1 - passes) * (sum(chance[:CLEARANCE]) + cleared * FRACTION)
        moved = [failed, *(p * passes for p in chance[:CLEARANCE])]
        moved[CLEARANCE] += cleared * (1 - FRACTION + FRACTION * passes)
        chance = moved
    return read / lots if lots else 1.0
