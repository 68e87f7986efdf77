"""Toxicity: each message scored by Detoxify or, offline, by a far weaker linear model that says so.

A threshold belongs to its scorer. Detoxify below 0.05 says little about a linear SVM over swear words, so
the offline scorer has a threshold of its own, and every record tells which of the two was at work.
"""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack import text
from synth_stack.errors import ConfigError, ModelError
from synth_stack.gates.judge import Judge
from synth_stack.models import Scorer, load_detoxify, load_linear_scorer
from synth_stack.registry import gate
from synth_stack.rows import build_verdicts, canonical_text

if TYPE_CHECKING:
    import polars as pl

Threshold = Annotated[float, Field(gt=0, lt=1)]
ScorerName = Literal["detoxify:original", "detoxify:unbiased", "detoxify:multilingual", "linear-svm"]

DETOXIFY_THRESHOLD = 0.05
"""What a support desk asks for: nothing that a moderator would look at twice."""

LINEAR_THRESHOLD = 0.8
"""The lowest step of 0.1 at which hardly any benign text is rejected: 0.06% of banking77, 0.09% of clinc150,
0.11% of GSM8K's questions, less of six more corpora. There it finds 25% of HateCheck's hateful cases (70% of
those with a slur or profanity) at a precision of 0.64, since it takes quoting and reclaiming for hate.
benchmarks/thresholds.py makes these figures."""

_CHECKPOINTS = {
    "detoxify:original": "v0.1-alpha/toxic_original-c1212f89.ckpt",
    "detoxify:unbiased": "v0.3-alpha/toxic_debiased-c7548aa0.ckpt",
    "detoxify:multilingual": "v0.4-alpha/multilingual_debiased-0b549669.ckpt",
}

_OVERLAP = 5
"""Windows overlap by a fifth of their length, so that a short phrase stands whole in one of them."""


class Offline(BaseModel):
    """The scorer that is used where Detoxify cannot be, and its own threshold."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    scorer: Literal["linear-svm"] = "linear-svm"
    threshold: Threshold = LINEAR_THRESHOLD


_OFFLINE = Offline()


@gate("toxicity", version="1")
def toxicity(
    *,
    scorer: ScorerName = "detoxify:original",
    threshold: Threshold | None = None,
    weights: str | None = None,
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None,
    offline: Offline | None = _OFFLINE,
    escalate_slice_at: Threshold | None = 0.02,
    escalate_min_rows: Annotated[int, Field(ge=1)] = 20,
) -> Judge:
    """A judge that rejects a row one of whose messages scores `threshold` or more.

    `weights` is a Detoxify checkpoint on this machine and `weights_sha256` its digest (a checkpoint is a
    pickle, which runs code). Without weights, or without the detoxify library, the `offline` scorer
    judges under its own threshold; `offline: null` forbids that. Facts say which scorer was asked for,
    which was used and why, and the reason of every reject names the scorer. `threshold` null is the
    scorer's own: 0.05 for Detoxify, 0.8 for linear-svm.

    The score of a row is its highest window of characters (500 for Detoxify, 150 for linear-svm), over all
    messages and all of the scorer's labels; evidence names message, role, label, score and offsets. A row
    with nothing to read is abstained on.

    When the batch is done, a slice is held as a whole if more than `escalate_slice_at` of its judged rows
    were rejected and at least `escalate_min_rows` were judged (a share of fewer says nothing): its
    accepted rows become `hold`. Rows without a slice are in none. 0.02 is twenty times what linear-svm
    rejects of benign text. Null never holds.

    Raises ConfigError for weights without digest, ModelError, MissingExtra.
    """
    used = _choose(scorer, threshold, weights, weights_sha256, offline)
    batch = _Batch()

    def judge(table: pa.Table) -> pa.Table:
        worst = _score_rows(text.read_messages(table), used.scorer)
        verdicts = _state(table.column("row_id"), worst, used)
        columns = [table.column("slice"), verdicts.column("row_id"), verdicts.column("outcome")]
        batch.tables.append(pa.table(columns, schema=_BATCH))
        return verdicts

    def finish() -> pa.Table:
        return _hold_slices(batch, escalate_slice_at or 1.0, escalate_min_rows)

    return Judge(judge=judge, facts=used.facts, finish=finish if escalate_slice_at is not None else None)


_BATCH = pa.schema([("slice", pa.string()), ("row_id", pa.string()), ("outcome", pa.string())])


@dataclass(frozen=True, slots=True)
class _Used:
    scorer: Scorer
    threshold: float
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """The scorer as reasons name it."""
        return "linear-svm (not Detoxify)" if self.scorer.name == "linear-svm" else self.scorer.name


@dataclass(frozen=True, slots=True)
class _Batch:
    """Slice, row_id and outcome of every row judged so far."""

    tables: list[pa.Table] = field(default_factory=list)


def _choose(
    wanted: str, threshold: float | None, weights: str | None, sha256: str | None, offline: Offline | None
) -> _Used:
    if (weights is None) != (sha256 is None) or (weights is not None and wanted == "linear-svm"):
        raise ConfigError(
            "toxicity: weights and weights_sha256 go together, with a detoxify scorer",
            seen={"scorer": wanted, "weights": weights, "weights_sha256": sha256},
            mend="Get the digest with `sha256sum <weights>`.",
        )
    if wanted == "linear-svm":
        return _use(load_linear_scorer(), threshold or LINEAR_THRESHOLD, wanted, None)
    lacking = _find_lack(weights)
    if lacking is None or (offline is None and weights is not None and Path(weights).is_file()):
        model = wanted.removeprefix("detoxify:")
        scorer = load_detoxify(model, str(weights), str(sha256))
        return _use(scorer, threshold or DETOXIFY_THRESHOLD, wanted, None)
    if offline is None:
        raise ModelError(
            f"toxicity: {wanted} cannot be used: {lacking}",
            mend=f"Download {_CHECKPOINTS[wanted]} from github.com/unitaryai/detoxify/releases and name "
            "it with weights and weights_sha256, or allow offline: {scorer: linear-svm, threshold: 0.8}.",
        )
    return _use(load_linear_scorer(), offline.threshold, wanted, lacking)


def _find_lack(weights: str | None) -> str | None:
    if weights is None:
        return "no weights are named"
    if not Path(weights).is_file():
        return f"the weights {weights} are not there"
    if find_spec("detoxify") is None or find_spec("torch") is None:
        return "the detoxify library is not installed"
    return None


def _use(scorer: Scorer, threshold: float, wanted: str, why: str | None) -> _Used:
    facts = {
        "scorer_requested": wanted,
        "scorer_used": scorer.name,
        "why": why,
        "threshold": threshold,
        "reject_when": "score >= threshold",
        "window_chars": scorer.window_chars,
        **scorer.facts,
    }
    return _Used(scorer, threshold, facts)


def _score_rows(messages: "pl.DataFrame", scorer: Scorer) -> "pl.DataFrame":
    """The worst window of each row that has one: `row, position, role, start, end, score, label`."""
    import polars as pl

    size = scorer.window_chars
    overlap = size // _OVERLAP
    windows = [
        (row, position, role, start, content[start : start + size])
        for row, position, role, content in messages.drop_nulls("content").iter_rows()
        for start in range(0, max(len(content) - overlap, 1), size - overlap)
    ]
    names = ["row", "position", "role", "start", "content"]
    types = [pl.Int64, pl.Int64, pl.String, pl.Int64, pl.String]
    frame = pl.DataFrame(windows, schema=dict(zip(names, types, strict=True)), orient="row")
    frame = frame.filter(pl.col("content").str.strip_chars() != "")
    scores, labels = scorer.score(frame["content"].to_list())
    end = pl.col("start") + pl.col("content").str.len_chars().cast(pl.Int64)
    scored = frame.select("row", "position", "role", "start", end=end).with_columns(
        score=pl.Series(scores, dtype=pl.Float64), label=pl.Series(labels, dtype=pl.String)
    )
    return scored.sort("row", -pl.col("score"), "position", "start").unique(
        "row", keep="first", maintain_order=True
    )


def _state(ids: pa.ChunkedArray, worst: "pl.DataFrame", used: _Used) -> pa.Table:
    outcomes = ["abstain"] * len(ids)
    scores: list[float | None] = [None] * len(ids)
    reasons: list[str | None] = ["nothing to read: no message holds text"] * len(ids)
    evidence: list[str | None] = [None] * len(ids)
    for row, position, role, start, end, score, label in worst.iter_rows():
        outcomes[row], scores[row], reasons[row] = "accept", score, None
        if score >= used.threshold:
            outcomes[row] = "reject"
            reasons[row] = f"toxic: {label} {score:.3f} in message {position}, by {used.label}"
            evidence[row] = canonical_text(
                {
                    "message": position,
                    "role": role,
                    "label": label,
                    "score": score,
                    "start": start,
                    "end": end,
                    "scorer": used.scorer.name,
                }
            )
    return build_verdicts(
        ids,
        "toxicity",
        outcomes,
        scores=scores,
        threshold=used.threshold,
        reasons=reasons,
        evidence=evidence,
    )


def _hold_slices(batch: _Batch, bar: float, min_rows: int) -> pa.Table:
    """Holds for the accepted rows of every slice whose share of rejects is above the bar."""
    import polars as pl

    every = pl.DataFrame(pl.from_arrow(pa.concat_tables([_BATCH.empty_table(), *batch.tables])))
    rows = every.filter(pl.col("outcome") != "abstain", pl.col("slice").is_not_null())
    counted = rows.with_columns(
        judged=pl.len().over("slice"), rejected=(pl.col("outcome") == "reject").sum().over("slice")
    ).with_columns(share=pl.col("rejected") / pl.col("judged"))
    held = counted.filter(pl.col("outcome") == "accept", pl.col("judged") >= min_rows, pl.col("share") > bar)
    facts = list(held.select("slice", "rejected", "judged").iter_rows())
    return build_verdicts(
        held["row_id"].to_arrow().cast(pa.string()),
        "toxicity",
        ["hold"] * len(held),
        scores=held["share"].to_list(),
        threshold=bar,
        reasons=[f"toxic slice: {r} of {n} judged rows of {name} were rejected" for name, r, n in facts],
        evidence=[canonical_text({"slice": name, "rejected": r, "judged": n}) for name, r, n in facts],
        scope="slice",
    )
