"""How sure a share is: the interval of a binomial proportion."""

from math import sqrt

Z_95 = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution: a two-sided interval of 95%."""


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927, equation 3), both ends in [0, 1].

    It keeps its promise for few trials and for shares near 0 or 1, where the textbook interval does not.
    Without trials nothing is known: (0, 1). Raises ValueError for counts that are none.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    spread = z * sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    scale = 1 + z**2 / trials
    middle = share + z**2 / (2 * trials)
    low = 0.0 if successes == 0 else (middle - spread) / scale
    high = 1.0 if successes == trials else (middle + spread) / scale
    return low, high


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper and Pearson 1934), from quantiles of the beta distribution.

    It holds the share at least as often as `level` says, whatever the share, and is wider than `wilson`: for
    figures that promise. Without trials nothing is known: (0, 1). Raises ValueError for counts that are none.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high
