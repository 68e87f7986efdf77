"""From the messages of a table to its toxicity verdicts; no Python object for a row that is accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.models.toxicity import Scorer
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.text.fields import read_messages, read_texts

if TYPE_CHECKING:
    import polars as pl

TONE_TOLD_FROM = 0.1
"""Lower tone scores are not recorded, so no threshold may be below: replay has to find every score."""

NOTHING_TO_READ = "nothing to read: no message that is scored holds text"

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
class Rule:
    """The threshold of the scorer that is used, the scorer as reasons name it, and what a tone leads to."""

    threshold: float
    scorer: str
    tone: ToneRule | None

    @property
    def label(self) -> str:
        """The scorer as reasons name it."""
        return "linear-svm (not Detoxify)" if self.scorer == "linear-svm" else self.scorer

    def decide(self, score: "pl.Expr", tone: "pl.Expr") -> "pl.Expr":
        """The outcome of a row with these scores, either of which may be null."""
        import polars as pl

        action, bar = ("accept", 1.0) if self.tone is None else (self.tone.action, self.tone.threshold)
        return (
            pl.when(score.is_null())
            .then(pl.lit("abstain"))
            .when(score >= self.threshold)
            .then(pl.lit("reject"))
            .when(tone >= bar)
            .then(pl.lit(action))
            .otherwise(pl.lit("accept"))
        )


def read_scored(table: pa.Table) -> "pl.DataFrame":
    """The messages that are scored (text.read_messages): all that hold text, but for what the user says in a
    row of kind "adversarial", which is meant to be bad.
    """
    import polars as pl

    messages = read_messages(table).filter(pl.col("content").str.contains(r"\S"))
    kinds = read_texts(table["kind"])
    if not (kinds == "adversarial").any():
        return messages
    provoking = (kinds == "adversarial").gather(messages["row"]) & (messages["role"] == "user")
    return messages.filter(~provoking)


def score_rows(messages: "pl.DataFrame", scorer: Scorer) -> "pl.DataFrame":
    """The worst window of each row that has one: `row, position, role, start, end, score, label`."""
    import polars as pl

    windows = cut_windows(messages, scorer.window_chars)
    windows = windows.filter(pl.col("content").str.contains(r"\S")).rechunk()
    scores, which = scorer.score(windows["content"])
    worst = (
        pl.DataFrame({"row": windows["row"], "score": scores, "window": np.arange(len(windows))})
        .group_by("row")
        .agg(pl.col("score").max(), pl.col("window").get(pl.col("score").arg_max()))
        .sort("row")
    )
    at = worst["window"]
    placed = windows[at].select("row", "position", "role", "start")
    size = windows["content"].gather(at).str.len_chars().cast(pl.Int64)
    return placed.with_columns(
        (pl.col("start") + size).alias("end"),
        worst["score"],
        label=pl.Series(scorer.labels, dtype=pl.String).gather(which[at.to_numpy()]),
    )


def cut_windows(messages: "pl.DataFrame", size: int) -> "pl.DataFrame":
    """Every message in windows of `size` characters that overlap, with the `start` of each.

    Linear in the length of a message: cut into steps, each window is a step and the beginning of the next.
    """
    import polars as pl

    overlap = size // _OVERLAP
    step = size - overlap
    long = pl.col("content").str.len_chars() > size
    whole = messages.filter(~long).with_columns(start=pl.lit(0, pl.Int64))
    pieces = (
        messages.filter(long)
        .with_row_index("message")
        .with_columns(pl.col("content").str.extract_all(rf"(?s).{{1,{step}}}"))
        .explode("content", empty_as_null=False)
    )
    follows = pl.col("content").shift(-1).over("message").fill_null("").str.slice(0, overlap)
    start = pl.int_range(pl.len()).over("message") * step
    is_tail = (pl.col("start") > 0) & (pl.col("content").str.len_chars() <= overlap)
    cut = pieces.with_columns(start=start, after=follows).filter(~is_tail)
    cut = cut.with_columns(content=pl.col("content") + pl.col("after")).drop("message", "after")
    return pl.concat([whole, cut.select(whole.columns)]).sort("row", "position", "start")


def state_verdicts(
    ids: pa.ChunkedArray, worst: "pl.DataFrame", toned: "pl.DataFrame | None", rule: Rule
) -> pa.Table:
    """One verdict a row, in order: from the worst window and the worst sentence of the rows that have one."""
    import polars as pl

    n = len(ids)
    placed = pl.DataFrame({"row": np.arange(n)}).join(worst, on="row", how="left", maintain_order="left")
    toned = worst.clear() if toned is None else toned
    placed = placed.join(toned, on="row", how="left", maintain_order="left", suffix="_tone")
    outcome = rule.decide(pl.col("score"), pl.col("score_tone"))
    decided = placed.with_columns(outcome=outcome)
    told = decided.filter(
        (pl.col("outcome") == "reject") | (pl.col("score_tone") >= TONE_TOLD_FROM).fill_null(value=False)
    )
    said = [(row["row"], _say(row, rule), _prove(row, rule)) for row in told.iter_rows(named=True)]
    columns = {"row": pl.Int64, "reason": pl.String, "evidence": pl.String}
    stated = decided.join(
        pl.DataFrame(said, schema=columns, orient="row"), on="row", how="left", maintain_order="left"
    ).select(
        row_id=read_texts(ids),
        gate=pl.lit("toxicity"),
        outcome="outcome",
        score="score",
        threshold=pl.lit(rule.threshold),
        reason=pl.when(pl.col("outcome") == "abstain").then(pl.lit(NOTHING_TO_READ)).otherwise("reason"),
        evidence="evidence",
        scope=pl.lit("row"),
    )
    verdicts: pa.Table = stated.rechunk().to_arrow().cast(VERDICT_SCHEMA)
    return verdicts


def _is_toxic(row: Mapping[str, Any], rule: Rule) -> bool:
    return row["score"] is not None and bool(row["score"] >= rule.threshold)


def _say(row: Mapping[str, Any], rule: Rule) -> str | None:
    if _is_toxic(row, rule):
        return f"toxic: {row['label']} {row['score']:.3f} in message {row['position']}, by {rule.label}"
    if row["outcome"] == "accept":
        return None
    return f"tone: {row['label_tone']} {row['score_tone']:.3f} in message {row['position_tone']}"


def _prove(row: Mapping[str, Any], rule: Rule) -> str:
    evidence: dict[str, Any] = {}
    if _is_toxic(row, rule):
        evidence = {**_point_at(row, ""), "scorer": rule.scorer}
    if row["score_tone"] is not None and row["score_tone"] >= TONE_TOLD_FROM:
        evidence["tone"] = _point_at(row, "_tone")
    return canonical_text(evidence)


def _point_at(row: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    names = {"message": "position", "role": "role", "label": "label", "score": "score", "start": "start"}
    return {key: row[f"{name}{suffix}"] for key, name in {**names, "end": "end"}.items()}
