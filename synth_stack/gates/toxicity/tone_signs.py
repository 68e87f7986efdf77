"""Cheap signs that a sentence addresses a person, negates or is ironic: weak alone, of use beside more."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

_SIGNS = {
    "you": r"\b(you|your|yours|you're|yourself|you've|you'd)\b",
    "me": r"\b(i|i'm|i've|me|my)\b",
    "others": r"\b(he|she|they|his|her|their|him)\b",
    "negation": r"\b(not|never|no|nobody|nothing|none|hardly|cannot)\b|n't",
    "question": r"\?",
    "exclamation": r"!",
    "opener": r"^(oh|ah|wow|gosh|well|yes|sure|right|of course|congratulations|bravo|brilliant|fantastic"
    r"|great|wonderful|marvellous|because|clearly|obviously|surely|let me guess|what a)\b",
    "order": r"^(don't|do not|stop|go|get|try|use|grow|spare|save|tell|find|put|keep|call|look|think)\b",
    "emphasis": r"\b(even|bother|bothered|actually|perhaps|maybe|at least|really|honestly|frankly|simply"
    r"|evidently|apparently|as usual|as always|finally)\b",
    "courtesy": r"\b(please|thank|thanks|sorry|apologise|happy to|glad|afraid)\b",
    "figure": r"\d",
    "brief": r"^[^ ]+( [^ ]+){0,4}$",
    "comparison": r"\b(people|person|somebody|someone|anyone|anybody|customers?|guests?) (like|as|of)\b",
    "blame": r"\b(fault|blame|whin|complain|excuse|problem|mess|fool|stupid|idiot|useless|pathetic|ridiculous"
    r"|careless|lazy|rude|greed|nonsense|joke)",
}

_SUSPICIOUS = ("you", "negation", "opener", "emphasis", "blame")


def list_signs(plain: "pl.Series") -> NDArray[np.float64]:
    """(n, signs), one or zero each; `plain` is normalised and lower case."""
    found = [plain.str.contains(pattern).cast(float).to_numpy() for pattern in _SIGNS.values()]
    return np.stack(found, axis=1)


def count_signs(plain: "pl.Expr") -> "pl.Expr":
    """How many of the signs that a bad tone often bears are there: what to read first."""
    import polars as pl

    return pl.sum_horizontal(plain.str.contains(_SIGNS[name]).cast(pl.Int8) for name in _SUSPICIOUS)
