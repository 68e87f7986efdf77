import pytest

from synth_stack.models import sentiment
from synth_stack.models.files import PINS, VADER
from synth_stack.rows.canonical import Digest

pytest.importorskip("vaderSentiment")


def test_good_and_bad_are_told_apart_and_plain_text_is_neither() -> None:
    scores = sentiment.load_sentiment()(
        ["I love it, wonderful!", "This is terrible.", "The lamp is on the table.", ""]
    )
    assert scores[0] > 0.5
    assert scores[1] < -0.3
    assert scores[2] == scores[3] == 0


def test_the_lexicon_is_pinned() -> None:
    assert isinstance(PINS[VADER], str)
    assert PINS[VADER] != Digest("")
