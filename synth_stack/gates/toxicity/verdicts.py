"""From the pieces of a table to its toxicity verdicts; no Python object for a row that is accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.models.toxicity import Scorer
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.text.fields import read_texts

if TYPE_CHECKING:
    import polars as pl

TONE_TOLD_FROM = 0.1
"""Lower tone scores are not recorded, so no threshold may be below: replay has to find every score."""

TOXIC, TONE, NOTHING = "toxicity.toxic", "toxicity.tone", "toxicity.nothing_to_read"
"""Reason classes."""

_NOTHING_TO_READ = "nothing to read: no part that is scored holds text"

_OVERLAP = 5
"""Windows overlap by a fifth of their length, so that a short phrase stands whole in one of them."""


class ToneRule(BaseModel):
    """From which tone score on a row that is not toxic is turned away, how, and what else tells the tone.

    `embedding` also reads what an agent says by its meaning: in `confirm_rows` rows of a batch, about a
    third of a minute on two cores (benchmarks/toxicity.py); of a larger one, in those of most suspicion.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    threshold: Annotated[float, Field(ge=TONE_TOLD_FROM, lt=1)] = 0.5
    action: Literal["hold", "reject"] = "hold"
    embedding: Literal["minilm"] | None = "minilm"
    confirm_rows: Annotated[int, Field(ge=0, le=10_000_000)] = 3_000


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The threshold of the scorer that is used, the scorer's name, and what a tone leads to."""

    threshold: float
    scorer: str
    tone: ToneRule | None

    @property
    def label(self) -> str:
        """The scorer as reasons name it."""
        return "linear-svm (not Detoxify)" if self.scorer == "linear-svm" else self.scorer

    def classify(self, score: "pl.Expr", tone: "pl.Expr") -> "pl.Expr":
        """The reason class of a row with these scores, either of which may be null; null where it passes."""
        import polars as pl

        bar = 1.0 if self.tone is None else self.tone.threshold
        return (
            pl.when(score.is_null())
            .then(pl.lit(NOTHING))
            .when(score >= self.threshold)
            .then(pl.lit(TOXIC))
            .when(tone >= bar)
            .then(pl.lit(TONE))
        )

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome by reason class."""
        return {
            NOTHING: "abstain",
            TOXIC: "reject",
            TONE: "accept" if self.tone is None else self.tone.action,
        }


def score_rows(pieces: "pl.DataFrame", scorer: Scorer) -> "pl.DataFrame":
    """The worst window of each row that has one: `row, position, role, start, end, score, label`.

    Equal windows are scored once: the schemas of tools are often the same in every row.
    """
    import polars as pl

    windows = cut_windows(pieces.select("row", "position", "role", "content"), scorer.window_chars)
    windows = windows.filter(pl.col("content").str.contains(r"\S")).rechunk()
    distinct = windows["content"].unique(maintain_order=True)
    scores, which = scorer.score(distinct)
    labels = pl.Series(scorer.labels, dtype=pl.String).gather(which)
    scored = pl.DataFrame({"content": distinct, "score": scores, "label": labels})
    told = windows.join(scored, on="content", how="left", maintain_order="left").with_row_index("window")
    worst = told.group_by("row").agg(pl.col("window").get(pl.col("score").arg_max())).sort("row")
    size = pl.col("content").str.len_chars().cast(pl.Int64)
    return told[worst["window"]].select(
        "row", "position", "role", "start", (pl.col("start") + size).alias("end"), "score", "label"
    )


def cut_windows(pieces: "pl.DataFrame", size: int) -> "pl.DataFrame":
    """Every piece in windows of `size` characters that overlap, with the `start` of each.

    Linear in the length of a piece: cut into steps, each window is a step and the beginning of the next.
    """
    import polars as pl

    overlap = size // _OVERLAP
    step = size - overlap
    long = pl.col("content").str.len_chars() > size
    whole = pieces.filter(~long).with_columns(start=pl.lit(0, pl.Int64))
    steps = (
        pieces.filter(long)
        .with_row_index("piece")
        .with_columns(pl.col("content").str.extract_all(rf"(?s).{{1,{step}}}"))
        .explode("content", empty_as_null=False)
    )
    follows = pl.col("content").shift(-1).over("piece").fill_null("").str.slice(0, overlap)
    start = pl.int_range(pl.len()).over("piece") * step
    is_tail = (pl.col("start") > 0) & (pl.col("content").str.len_chars() <= overlap)
    cut = steps.with_columns(start=start, after=follows).filter(~is_tail)
    cut = cut.with_columns(content=pl.col("content") + pl.col("after")).drop("piece", "after")
    return pl.concat([whole, cut.select(whole.columns)]).sort("row", "position", "start")


def state_verdicts(
    ids: pa.ChunkedArray,
    pieces: "pl.DataFrame",
    worst: "pl.DataFrame",
    toned: "pl.DataFrame | None",
    cutoffs: Cutoffs,
) -> pa.Table:
    """One verdict a row, in order: from the worst window and the worst sentence of the rows that have one."""
    import polars as pl

    placed = pl.DataFrame({"row": np.arange(len(ids))}).join(
        worst, on="row", how="left", maintain_order="left"
    )
    toned = worst.clear() if toned is None else toned
    placed = placed.join(toned, on="row", how="left", maintain_order="left", suffix="_tone")
    named = cutoffs.classify(pl.col("score"), pl.col("score_tone"))
    decided = placed.with_columns(reason_class=named).with_columns(
        outcome=pl.col("reason_class").replace_strict(cutoffs.outcomes, default="accept")
    )
    told = decided.filter(
        (pl.col("outcome") == "reject") | (pl.col("score_tone") >= TONE_TOLD_FROM).fill_null(value=False)
    )
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
        reason=pl.when(pl.col("outcome") == "abstain").then(pl.lit(_NOTHING_TO_READ)).otherwise("reason"),
        reason_class="reason_class",
        evidence="evidence",
        scope=pl.lit("row"),
    )
    verdicts: pa.Table = stated.rechunk().to_arrow().cast(VERDICT_SCHEMA)
    return verdicts


def _add_paths(told: "pl.DataFrame", pieces: "pl.DataFrame") -> "pl.DataFrame":
    """The rows with `path` and `path_tone`: where their worst window and sentence stand."""
    for suffix in ("", "_tone"):
        places = pieces.select("row", "position", "path").rename(
            {"position": f"position{suffix}", "path": f"path{suffix}"}
        )
        told = told.join(places, on=["row", f"position{suffix}"], how="left", maintain_order="left")
    return told


def _say(row: Mapping[str, Any], cutoffs: Cutoffs) -> str | None:
    if row["reason_class"] == TOXIC:
        return f"toxic: {row['label']} {row['score']:.3f} in {row['path']}, by {cutoffs.label}"
    if row["reason_class"] == TONE:
        return f"tone: {row['label_tone']} {row['score_tone']:.3f} in {row['path_tone']}"
    return None


def _prove(row: Mapping[str, Any], cutoffs: Cutoffs) -> str:
    evidence: dict[str, Any] = {}
    if row["reason_class"] == TOXIC:
        evidence = {**_point_at(row, ""), "scorer": cutoffs.scorer}
    if row["score_tone"] is not None and row["score_tone"] >= TONE_TOLD_FROM:
        evidence["tone"] = _point_at(row, "_tone")
    return canonical_text(evidence)


def _point_at(row: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    return {key: row[f"{key}{suffix}"] for key in ("path", "role", "label", "score", "start", "end")}
