"""chrF: how alike two texts are in their character n-grams, the measure of round trips."""

from collections import Counter

ORDER = 6
BETA = 2
"""Recall counts twice as much as precision: chrF2, the form that is used since Popović 2016."""


def measure_chrf(said: str, reference: str) -> float:
    """chrF2 of a text against another, in [0, 1]; 0 where either has no character but white space.

    Popović 2015 (doi:10.18653/v1/W15-3049): the F-score of the mean precision and the mean recall of the
    character n-grams of 1 to 6, white space left out. As in sacrebleu 2.6 an order without n-grams on either
    side counts for neither mean; its score is this times 100.
    """
    hypothesis, other = "".join(said.split()), "".join(reference.split())
    precisions: list[float] = []
    recalls: list[float] = []
    for n in range(1, ORDER + 1):
        a, b = _count_grams(hypothesis, n), _count_grams(other, n)
        if a and b:
            matched = (a & b).total()
            precisions.append(matched / a.total())
            recalls.append(matched / b.total())
    if not any(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _count_grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))
