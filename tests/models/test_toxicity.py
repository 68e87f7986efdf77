import numpy as np
import polars as pl
import pytest

from synth_stack.errors import ModelError
from synth_stack.models import files
from synth_stack.models.toxicity import load_hate_ngrams


def test_the_packaged_scorer_tells_hate_and_offence_from_the_rest() -> None:
    scorer = load_hate_ngrams()
    texts = ["Women are worthless vermin.", "fuck off, you bitch", "Thank you very much.", "日本語のテキスト"]
    scores, which = scorer.score(pl.Series(texts))
    assert [scorer.labels[k] for k in which[:2]] == ["hate", "offence"]
    assert min(scores[:2]) > 0.55 > scores[2] >= 0
    assert np.isnan(scores[3])
    assert scorer.by_sentence
    assert scorer.facts["files"] == {files.HATE_NGRAMS: files.PINS[files.HATE_NGRAMS]}
    assert scorer.score(pl.Series([], dtype=pl.String))[0].shape == (0,)


def test_a_packaged_file_that_was_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PINS", {files.HATE_NGRAMS: "0" * 64})
    load_hate_ngrams.cache_clear()
    with pytest.raises(ModelError, match="is not the one that was pinned"):
        load_hate_ngrams()
