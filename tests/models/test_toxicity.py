from pathlib import Path

import polars as pl
import pytest

from synth_stack.errors import ModelError
from synth_stack.models import toxicity as scorers


def test_a_pinned_package_file_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("model.joblib", "vectorizer.joblib"):
        (tmp_path / "profanity_check" / "data").mkdir(parents=True, exist_ok=True)
        (tmp_path / "profanity_check" / "data" / name).write_bytes(b"cos\nsystem\n(S'exit 3'\ntR.")
    (tmp_path / "profanity_check" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelError, match="is not the one that was pinned"):
        scorers.load_linear_scorer()


def test_the_linear_scorer_gives_probabilities_with_labels() -> None:
    scorer = scorers.load_linear_scorer()
    scores, which = scorer.score(pl.Series(["you stupid idiot", "thank you very much", ""]))
    assert scores[0] > 0.8 > scores[1] >= 0
    assert [scorer.labels[k] for k in which] == ["profanity"] * 3
    assert scorer.score(pl.Series([], dtype=pl.String))[0].shape == (0,)


def test_the_linear_scorer_says_what_the_package_says() -> None:
    import profanity_check

    texts = ["You IDIOT, you idiot!", "a b c", "", "the and of", "naïve café", "x" * 5000, "fuck_off 123 ok"]
    ours, _ = scorers.load_linear_scorer().score(pl.Series(texts))
    assert ours == pytest.approx(profanity_check.predict_prob(texts), abs=1e-12)


def test_masked_words_are_left_out() -> None:
    text = pl.Series(["a gay man and his husband", "a man and his"])
    plain, _ = scorers.load_linear_scorer().score(text)
    masked, _ = scorers.load_linear_scorer({"gay", "husband"}).score(text)
    assert plain[0] > 0.5
    assert masked[0] == masked[1] == plain[1]
