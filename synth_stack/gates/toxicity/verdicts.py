"""From the worst window of each row to its verdict; no Python object for a row that is accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.text.fields import read_texts

if TYPE_CHECKING:
    import polars as pl

TOXIC, TONE = "toxicity.toxic", "toxicity.tone"
NOTHING, UNREAD, NOT_TOLD = "toxicity.nothing_to_read", "toxicity.unread", "toxicity.tone_not_told"
"""Reason classes."""

_NOTHING_TO_READ = "nothing to read: no part that is scored holds text"


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The threshold of the scorer that is used, its name, and what such a score and a bad tone lead to."""

    threshold: float
    scorer: str
    toxic: Literal["hold", "reject"]
    tone: Literal["hold", "reject"] = "hold"

    @property
    def label(self) -> str:
        """The scorer as reasons name it."""
        return self.scorer if self.scorer.startswith("detoxify:") else f"{self.scorer} (not Detoxify)"

    def classify(self, place: "pl.Expr", score: "pl.Expr", opinion: "pl.Expr") -> "pl.Expr":
        """The reason class of a row; null where it passes. `place` is null for a row without a window."""
        import polars as pl

        return (
            pl.when(place.is_null())
            .then(pl.lit(NOTHING))
            .when(score >= self.threshold)
            .then(pl.lit(TOXIC))
            .when(opinion == "yes")
            .then(pl.lit(TONE))
            .when(opinion.is_in(["unclear", "not asked"]))
            .then(pl.lit(NOT_TOLD))
            .when(score.is_null())
            .then(pl.lit(UNREAD))
        )

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome by reason class."""
        return {
            **dict.fromkeys((NOTHING, UNREAD, NOT_TOLD), "abstain"),
            TOXIC: self.toxic,
            TONE: self.tone,
        }


def state_verdicts(
    ids: pa.ChunkedArray,
    pieces: "pl.DataFrame",
    worst: "pl.DataFrame",
    opinions: "pl.DataFrame | None",
    cutoffs: Cutoffs,
) -> pa.Table:
    """One verdict a row, in order: from the worst window of the rows that have one, and opinions on tones.

    `opinions` has `row, opinion`, the latter "yes" (a bad tone), "no", "unclear" or "not asked"; None
    where no one is asked.
    """
    import polars as pl

    placed = pl.DataFrame({"row": np.arange(len(ids))}).join(
        worst, on="row", how="left", maintain_order="left"
    )
    if opinions is None:
        opinions = pl.DataFrame(schema={"row": pl.Int64, "opinion": pl.String})
    placed = placed.join(opinions, on="row", how="left", maintain_order="left")
    named = cutoffs.classify(pl.col("position"), pl.col("score"), pl.col("opinion"))
    decided = placed.with_columns(reason_class=named).with_columns(
        outcome=pl.col("reason_class").replace_strict(cutoffs.outcomes, default="accept")
    )
    told = decided.filter(pl.col("reason_class").is_not_null() & (pl.col("reason_class") != NOTHING))
    said = [
        (row["row"], _say(row, cutoffs), _prove(row, cutoffs))
        for row in _add_paths(told, pieces).iter_rows(named=True)
    ]
    columns = {"row": pl.Int64, "reason": pl.String, "evidence": pl.String}
    stated = decided.join(
        pl.DataFrame(said, schema=columns, orient="row"), on="row", how="left", maintain_order="left"
    ).select(
        row_id=read_texts(ids),
        gate=pl.lit("toxicity"),
        outcome="outcome",
        score="score",
        threshold=pl.lit(cutoffs.threshold),
        reason=pl.when(pl.col("reason_class") == NOTHING).then(pl.lit(_NOTHING_TO_READ)).otherwise("reason"),
        reason_class="reason_class",
        evidence="evidence",
        scope=pl.lit("row"),
    )
    verdicts: pa.Table = stated.rechunk().to_arrow().cast(VERDICT_SCHEMA)
    return verdicts


def _add_paths(told: "pl.DataFrame", pieces: "pl.DataFrame") -> "pl.DataFrame":
    """The rows with the `path` at which their worst window stands."""
    places = pieces.select("row", "position", "path")
    return told.join(places, on=["row", "position"], how="left", maintain_order="left")


def _say(row: Mapping[str, Any], cutoffs: Cutoffs) -> str:
    match row["reason_class"]:
        case "toxicity.toxic":
            return f"toxic: {row['label']} {row['score']:.3f} in {row['path']}, by {cutoffs.label}"
        case "toxicity.tone":
            return "tone: the language model says that the assistant takes a bad tone"
        case "toxicity.tone_not_told" if row["opinion"] == "unclear":
            return "tone not told: the language model did not say yes or no"
        case "toxicity.tone_not_told":
            return "tone not told: no question to the language model was left for this row"
        case _:
            return f"not read: {cutoffs.label} knows too few of its words"


def _prove(row: Mapping[str, Any], cutoffs: Cutoffs) -> str:
    evidence: dict[str, Any] = {"scorer": cutoffs.scorer}
    if row["reason_class"] == TOXIC:
        evidence |= {key: row[key] for key in ("path", "role", "label", "score", "start", "end")}
    if row["opinion"] is not None:
        evidence["tone"] = row["opinion"]
    return canonical_text(evidence)
