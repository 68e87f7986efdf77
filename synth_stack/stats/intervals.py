"""How sure a share is: the interval of a binomial proportion."""

from math import sqrt

Z_95 = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution: a two-sided interval of 95%."""


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927, equation 3), both ends in [0, 1].

    It keeps its promise for few trials and for shares near 0 or 1, where the textbook interval does not.
    Without trials nothing is known: (0, 1). Raises ValueError for counts that are none.
    """
    _require_counts(successes, trials)
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
    """The exact two-sided interval of a proportion (Clopper and Pearson 1934), both ends in [0, 1].

    At least `level` of such intervals hold the true share, whatever it is and however few the trials. Without
    trials nothing is known: (0, 1). Raises ValueError for counts that are none.
    """
    tail = (1 - level) / 2
    return lower_bound(successes, trials, 1 - tail), upper_bound(successes, trials, 1 - tail)


def upper_bound(successes: int, trials: int, level: float = 0.95) -> float:
    """The share that the true one is at most, with confidence `level`: Clopper and Pearson's, one-sided.

    Where the trials are a sample without replacement the true confidence is higher. 7 of 59 give 21%.
    """
    from scipy.special import betaincinv  # scipy.stats gives the same, and takes a second to import

    _require_counts(successes, trials)
    return 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, level))


def lower_bound(successes: int, trials: int, level: float = 0.95) -> float:
    """The share that the true one is at least, with confidence `level`: Clopper and Pearson's, one-sided."""
    from scipy.special import betaincinv

    _require_counts(successes, trials)
    return 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, 1 - level))


def newcombe(first: int, of_first: int, second: int, of_second: int) -> tuple[float, float]:
    """The 95% interval of first / of_first - second / of_second, two independent shares (Newcombe 1998,
    Statistics in Medicine 17: 873-890, method 10: the Wilson intervals of both, squared and added).

    Without trials of one of them nothing is known: (-1, 1). Raises ValueError for counts that are none.
    """
    low, high = wilson(first, of_first)
    other_low, other_high = wilson(second, of_second)
    if not of_first or not of_second:
        return -1.0, 1.0
    share, other = first / of_first, second / of_second
    below = sqrt((share - low) ** 2 + (other_high - other) ** 2)
    above = sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return share - other - below, share - other + above


def _require_counts(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
