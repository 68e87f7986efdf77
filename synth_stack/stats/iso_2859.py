"""The sampling plans of ISO 2859-1:1999 (ANSI/ASQ Z1.4-2003): single sampling, normal inspection, level II.

For people whose quality system names the standard. Its plans are indexed by the AQL: what they promise about
one bad lot is what their operating curve says, and it is less for small lots.
"""

from bisect import bisect_left

from synth_stack.errors import ConfigError
from synth_stack.stats.acceptance import SamplingPlan, single

LETTERS = "ABCDEFGHJKLMNPQ"
"""Code letters of general inspection level II, table 1 (no I and no O; R is only reached by arrows)."""
LOT_SIZES = (8, 15, 25, 50, 90, 150, 280, 500, 1_200, 3_200, 10_000, 35_000, 150_000, 500_000)
"""The largest lot of each letter but the last, table 1."""
SAMPLE_SIZES = dict(
    zip(
        "ABCDEFGHJKLMNPQR",
        (2, 3, 5, 8, 13, 20, 32, 50, 80, 125, 200, 315, 500, 800, 1_250, 2_000),
        strict=True,
    )
)
"""Table 2-A, second column."""
AQLS = (
    0.010, 0.015, 0.025, 0.040, 0.065, 0.10, 0.15, 0.25, 0.40, 0.65, 1.0, 1.5, 2.5, 4.0, 6.5, 10.0,
)  # fmt: skip
"""In percent: those of table 2-A that are shares of defective items (10 and below)."""

_ACCEPT = (1, 2, 3, 5, 7, 10, 14, 21)
"""Down a column of table 2-A: the letter with Ac 0, an arrow up to it, an arrow down to the next, and from
there on these acceptance numbers; above it arrows down, below 21 arrows up."""


def code_letter(size: int) -> str:
    """The code letter of a lot of `size` items at general inspection level II. Raises ConfigError below 2."""
    if size < 2:
        raise ConfigError("the standard has no plan for a lot of less than two", seen=size)
    return LETTERS[bisect_left(LOT_SIZES, size)]


def find_iso(size: int, aql_percent: float) -> SamplingPlan:
    """The plan of the standard for a lot of `size` at an AQL; a sample as large as the lot reads all of it.

    Raises ConfigError for an AQL that is none of AQLS.
    """
    if aql_percent not in AQLS:
        raise ConfigError(
            "the standard has no such AQL", seen=aql_percent, allowed=", ".join(f"{aql:g}" for aql in AQLS)
        )
    letter, accept = _follow_arrows(code_letter(size), aql_percent)
    return single(min(SAMPLE_SIZES[letter], size), accept)


def _follow_arrows(letter: str, aql_percent: float) -> tuple[str, int]:
    """The letter whose plan is used, and its Ac."""
    letters = list(SAMPLE_SIZES)
    zero = len(letters) - 2 - AQLS.index(aql_percent)  # one letter up for each AQL: Q at 0.010, A at 6.5
    below = letters.index(letter) - zero
    if below <= 1 and zero >= 0:
        return letters[zero], 0
    place = min(max(below - 3, 0), len(_ACCEPT) - 1)
    return letters[zero + 3 + place], _ACCEPT[place]
