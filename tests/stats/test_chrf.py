"""chrF of texts, against the figures that sacrebleu 2.6.0 gives (sentence_chrf, its defaults)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.stats.chrf import measure_chrf

REFERENCE = [
    ("The cat sat on the mat.", "The cat is on the mat.", 67.17273492330233),
    ("a", "a b", 55.55555555555556),
    ("Where is my parcel?", "My parcel, where is it?", 49.46118473485871),
    ("ab", "abcdefgh", 23.404255319148938),
    ("völlig anders", "totally different", 11.119471616085612),
    ("x", "", 0.0),
    ("", "x", 0.0),
    ("My lamp flickers.", "My lamp has been flickering since Monday.", 28.53782576630919),
    ("你好，世界", "你好，大世界", 35.01109262340544),
]


@pytest.mark.parametrize(("said", "other", "score"), REFERENCE)
def test_the_score_is_that_of_sacrebleu(said: str, other: str, score: float) -> None:
    assert 100 * measure_chrf(said, other) == pytest.approx(score, abs=1e-9)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_score_is_a_share_and_one_for_the_same_characters(said: str, other: str) -> None:
    assert 0 <= measure_chrf(said, other) <= 1
    assert measure_chrf(said, said) == (1.0 if said.split() else 0.0)
