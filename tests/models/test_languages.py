import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ModelError
from synth_stack.models.files import LANGUAGES, find_model
from synth_stack.models.languages import load_language_scorer
from tests.examples import examples

TEXTS = [
    "Where is the order that I placed last night?",
    "Wo ist die Bestellung von gestern Abend?",
    "Où est ma commande passée hier soir ?",
    "ALL OF THIS IS IN CAPITALS",
    "日本語のテキスト",
    "Где мой заказ?",
    "Здраво, где је моја наруџбина?",
    "",
    "123 456",
    "word " * 700,
]


def rank_alone(text: str) -> dict[str, float]:
    """What the library's own class says of one text."""
    from py3langid.langid import LanguageIdentifier

    model = LanguageIdentifier.from_model_file(find_model(LANGUAGES), norm_probs=True)
    return dict(model.rank(text))


def test_languages_are_told_apart() -> None:
    score = load_language_scorer(["en", "de"])
    outside, likeliest = score(TEXTS[:3])
    assert likeliest == ["en", "de", "fr"]
    assert (outside > 0.95).tolist() == [False, False, True]
    assert (outside[:2] < 0.05).all()


def test_every_text_is_scored_as_the_library_itself_scores_it() -> None:
    outside, likeliest = load_language_scorer(["en", "sr"])(TEXTS)
    ranked = [rank_alone(text) for text in TEXTS]
    assert outside == pytest.approx([1 - r["en"] - r["sr"] for r in ranked], abs=1e-4)
    # a text without features is in every language alike: then the first label of the model stands there
    assert likeliest == [max(r, key=r.__getitem__) for r in ranked]


@settings(max_examples=examples(40))
@given(st.lists(st.text(max_size=60), max_size=8))
def test_a_score_does_not_depend_on_the_texts_beside_it(texts: list[str]) -> None:
    score = load_language_scorer(["en"])
    together, named = score(texts)
    alone = [score([text]) for text in texts]
    assert together == pytest.approx(np.concatenate([np.zeros(0), *[s for s, _ in alone]]), abs=1e-6)
    assert named == [label for _, labels in alone for label in labels]
    assert ((together >= 0) & (together <= 1)).all()


def test_no_texts_have_no_scores() -> None:
    outside, likeliest = load_language_scorer(["en"])([])
    assert (outside.shape, likeliest) == ((0,), [])


def test_an_unknown_language_code_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"seen: zzz; allowed: .*en"):
        load_language_scorer(["zzz"])
