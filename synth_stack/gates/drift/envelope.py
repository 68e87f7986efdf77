"""How far a batch may be from the baseline: a bar for each statistic, stated or learnt from the baseline
itself.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Bar = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Envelope(BaseModel):
    """The bar of each statistic; null switches it off. The lower end of an effect's interval has to pass it.

    Fitted on random halves, and on halves that were changed, of banking77 and code_alpaca_2k
    (benchmarks/drift.py), but for topic_thinned, which had those of clinc150 and gsm8k too; docs/drift.md has
    the figures.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    length_ks: Share | None = 0.15
    length_wasserstein: Bar | None = 0.35
    topic_psi: Bar | None = 0.25
    topic_lost: Share | None = 0.01
    topic_thinned: Share | None = 0.002
    sentiment_ks: Share | None = 0.1
    locale_variation: Share | None = 0.1
    question_psi: Bar | None = 0.25
    formality_ks: Share | None = 0.15
    vocabulary_js: Share | None = 0.1
    density_ks: Share | None = 0.2
    mmd: Bar | None = 0.02
    auc: Annotated[float, Field(gt=0.5, lt=1)] | None = 0.85

    def list_bars(self) -> dict[str, float]:
        """The statistics that are on, with their bars."""
        return {name: bar for name, bar in self.model_dump().items() if bar is not None}


STATISTICS: Mapping[str, str] = {
    "length_ks": "length",
    "length_wasserstein": "length",
    "topic_psi": "topic",
    "topic_lost": "topic",
    "topic_thinned": "topic",
    "sentiment_ks": "sentiment",
    "locale_variation": "locale",
    "question_psi": "question",
    "formality_ks": "formality",
    "vocabulary_js": "vocabulary",
    "density_ks": "density",
    "mmd": "meaning",
    "auc": "meaning",
}
"""Each statistic, and the probe that it belongs to."""
