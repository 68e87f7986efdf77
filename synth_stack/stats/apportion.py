"""Whole numbers in proportion: the largest remainder method, the one way in which anything is shared out."""

from collections.abc import Sequence
from fractions import Fraction


def round_shares(exact: Sequence[Fraction] | Sequence[float], total: int) -> list[int]:
    """Whole numbers that add up to `total`, each the share below it or one more.

    The shares add up to `total`; those with the largest remainder are rounded up, the first among equals.
    """
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(counts)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def split_draws(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that add up to `total` in proportion to `shares`."""
    return round_shares([total * share / sum(shares) for share in shares], total)


def split_exactly(total: int, weights: Sequence[int]) -> list[int]:
    """Whole numbers that add up to `total` in proportion to whole `weights`, without a rounding error."""
    whole = sum(weights)
    return round_shares([Fraction(total * weight, whole) for weight in weights], total)
