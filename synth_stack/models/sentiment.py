"""How a text feels, from -1 to 1: VADER's lexicon and rules."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.files import VADER, VADER_EMOJI, check_model, need_module

Feel = Callable[[Sequence[str]], NDArray[np.float64]]

_READ_CHARS = 600
"""VADER is a measure of sentences; of a longer text its beginning is read."""


def load_sentiment() -> Feel:
    """A function from n texts to their compound scores, (n,) (Hutto and Gilbert 2014, section 3).

    English alone: the words of other languages score 0. Raises MissingExtra with the pip line, ModelError
    for a lexicon that was changed.
    """
    for source in (VADER, VADER_EMOJI):
        check_model(source)
    analyser = need_module("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()

    def feel(texts: Sequence[str]) -> NDArray[np.float64]:
        scores = [analyser.polarity_scores(text[:_READ_CHARS])["compound"] for text in texts]
        return np.array(scores, dtype=np.float64)

    return feel
