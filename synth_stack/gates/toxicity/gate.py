"""Toxicity: each message scored by Detoxify or, offline, by a far weaker linear model that says so.

A threshold belongs to its scorer. Detoxify below 0.05 says little about a linear SVM over swear words, so
the offline scorer has a threshold of its own, and every record tells which of the two was at work. What is
combative or hostile without a swear word is for tone.py, which has a score and a threshold of its own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, MissingExtra, ModelError
from synth_stack.gates.gate import Judge
from synth_stack.gates.toxicity.canaries import plant_lines
from synth_stack.gates.toxicity.slice_holds import Bar, Measure, hold_again, hold_slices
from synth_stack.gates.toxicity.tone import load_tone
from synth_stack.gates.toxicity.verdicts import Rule, ToneRule, read_scored, score_rows, state_verdicts
from synth_stack.gates.word_lists import digest_list, read_sections
from synth_stack.models.files import find_model
from synth_stack.models.toxicity import Device, Scorer, load_detoxify, load_linear_scorer
from synth_stack.registry import gate

if TYPE_CHECKING:
    import polars as pl

Threshold = Annotated[float, Field(gt=0, lt=1)]
ScorerName = Literal["detoxify:original", "detoxify:unbiased", "detoxify:multilingual", "linear-svm"]

DETOXIFY_THRESHOLD = 0.05
"""What a support desk asks for: nothing that a moderator would look at twice."""

LINEAR_THRESHOLD = 0.8
"""Rejects at most 0.07% of the rows of five innocent corpora. With mentions masked it rejects 16% of
HateCheck's hateful cases (86% of those with profanity) and none of those that only name an identity
(benchmarks/toxicity.py)."""

MIN_RECALL = {"tone": 0.85, "words": 0.35}
"""Below what is measured in five corpora: 0.94 to 0.98 with tone; 0.45 to 1.0 where words alone decide, which
one bad line in a long civil answer escapes (benchmarks/toxicity.py)."""

_CHECKPOINTS = {
    "detoxify:original": "v0.1-alpha/toxic_original-c1212f89.ckpt",
    "detoxify:unbiased": "v0.3-alpha/toxic_debiased-c7548aa0.ckpt",
    "detoxify:multilingual": "v0.4-alpha/multilingual_debiased-0b549669.ckpt",
}


class Offline(BaseModel):
    """The scorer that is used where Detoxify cannot be, and its own threshold."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    scorer: Literal["linear-svm"] = "linear-svm"
    threshold: Threshold = LINEAR_THRESHOLD


_OFFLINE = Offline()
_TONE = ToneRule()


def redecide(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under other thresholds, another tone rule or another bar for slices.

    Raises ConfigError for another scorer, and for tone where the rows were judged without it.
    """
    import polars as pl

    rule = _find_rule(old, new, facts)
    own = rows.filter(pl.col("scope") == "row").with_columns(
        tone=pl.col("evidence").str.json_path_match("$.tone.score").cast(pl.Float64)
    )
    now = own.with_columns(now=rule.decide(pl.col("score"), pl.col("tone")))
    toxic = pl.format("toxic: {}, by {}", pl.col("score").round(3), pl.lit(rule.label))
    toned = pl.format("tone: {}", pl.col("tone").round(3))
    reason = (
        pl.when(pl.col("now") == pl.col("outcome"))
        .then("reason")
        .when(pl.col("score") >= rule.threshold)
        .then(toxic)
        .when(pl.col("now") != "accept")
        .then(toned)
    )
    decided = now.with_columns(reason=reason, outcome="now", threshold=pl.lit(rule.threshold))
    decided = decided.select(rows.columns)
    bar = _find_bar(new)
    return decided if bar is None else pl.concat([decided, hold_again(decided, bar).select(rows.columns)])


@gate("toxicity", version="2", redecide=redecide)
def toxicity(
    *,
    scorer: ScorerName = "detoxify:original",
    threshold: Threshold | None = None,
    weights: str | None = None,
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None,
    device: Device = "auto",
    offline: Offline | None = _OFFLINE,
    tone: ToneRule | None = _TONE,
    escalate_slice_at: Threshold | None = 0.02,
    escalate_min_rows: Annotated[int, Field(ge=1)] = 20,
    escalate_by: Measure = "rate",
) -> Judge:
    """A judge that rejects a row one of whose messages scores `threshold` or more, and holds a bad tone.

    `weights` is a Detoxify checkpoint or safetensors file, a path or `hub:<repo>:<file>`, and
    `weights_sha256` its digest (a checkpoint is a pickle, which runs code). Without weights, or without the
    detoxify library, the `offline` scorer judges under its own threshold; `offline: null` forbids that. Facts
    say which scorer was asked for, which was used and why, and the reason of every reject names the scorer.
    `threshold` null is the scorer's own: 0.05 for Detoxify, 0.8 for linear-svm.

    The score of a row is its highest window of characters (500 for Detoxify, 150 for linear-svm), over all
    messages and all of the scorer's labels; evidence names message, role, label, score and offsets. What the
    user says in a row of kind "adversarial" is meant to be bad and is not scored; the answer is. A row with
    nothing to read is abstained on. A row below the threshold whose tone reaches `tone.threshold` is held or
    rejected, with a reason of its own; evidence has the tone score of every row from 0.1 on. With
    `tone.embedding` the meaning of what an agent says is looked at in `tone.confirm_rows` rows of the batch,
    in the same share of each table and first in those with most signs of a bad tone; in canaries always.

    When the batch is done, a slice is held as a whole if more than `escalate_slice_at` of its judged rows
    were rejected and at least `escalate_min_rows` were judged: its accepted rows become `hold`. A hold costs
    a look and a toxic slice costs a data set, so the rate itself has to pass the bar; with `escalate_by:
    lower_bound` the lower end of its 95% interval has to. Rows without a slice are in none. Null never holds.

    Raises ConfigError for weights without digest, ModelError, MissingExtra.
    """
    used = _choose(scorer, threshold, weights, weights_sha256, device=device, offline=offline)
    rule = Rule(used.threshold, used.scorer.name, tone)
    model = None if tone is None else load_tone(tone.embedding)
    bar = None if escalate_slice_at is None else Bar(escalate_slice_at, escalate_min_rows, escalate_by)
    wrongs = [
        wrong for wrong in read_sections(__package__, "canaries") if tone is not None or wrong == "insult"
    ]
    batch = _Batch()

    def expect(rows: int) -> None:
        batch.rows = rows

    def judge(table: pa.Table) -> pa.Table:
        messages = read_scored(table)
        worst = score_rows(messages, used.scorer)
        toned = None
        if model is not None and tone is not None:
            toned = model.score(messages, _bound_confirmed(table, batch.rows, tone.confirm_rows))
        return state_verdicts(table["row_id"], worst, toned, rule)

    return Judge(
        judge=judge,
        expect=expect,
        facts=used.facts | {"tone": None if model is None else dict(model.facts)},
        finish=None if bar is None else partial(hold_slices, bar=bar),
        plant=partial(plant_lines, wrongs=wrongs),
        min_recall=MIN_RECALL["words" if tone is None else "tone"],
    )


@dataclass(slots=True)
class _Batch:
    """How many rows the batch has; None until somebody says so."""

    rows: int | None = None


def _bound_confirmed(table: pa.Table, batch_rows: int | None, confirm_rows: int) -> int | None:
    """How many rows of the table may be read by their meaning: its share of the batch; null is no bound."""
    if batch_rows is None or batch_rows <= confirm_rows or _is_planted(table):
        return None
    return math.ceil(len(table) * confirm_rows / batch_rows)


def _is_planted(table: pa.Table) -> bool:
    return bool(pc.all(pc.equal(table.column("generator"), "canary")).as_py())


@dataclass(frozen=True, slots=True)
class _Used:
    scorer: Scorer
    threshold: float
    facts: dict[str, Any]


def _choose(
    wanted: str,
    threshold: float | None,
    weights: str | None,
    sha256: str | None,
    *,
    device: Device,
    offline: Offline | None,
) -> _Used:
    if (weights is None) != (sha256 is None) or (weights is not None and wanted == "linear-svm"):
        raise ConfigError(
            "toxicity: weights and weights_sha256 go together, with a detoxify scorer",
            seen={"scorer": wanted, "weights": weights, "weights_sha256": sha256},
            mend="Get the digest with `sha256sum <weights>`.",
        )
    if wanted == "linear-svm":
        return _use(_load_linear(), threshold or LINEAR_THRESHOLD, wanted, None)
    lacking = _find_lack(weights)
    if (
        weights is not None
        and sha256 is not None
        and (lacking is None or (offline is None and _is_there(weights)))
    ):
        scorer = load_detoxify(wanted.removeprefix("detoxify:"), weights, sha256, device)
        return _use(scorer, threshold or DETOXIFY_THRESHOLD, wanted, None)
    if offline is None:
        raise ModelError(
            f"toxicity: {wanted} cannot be used: {lacking}",
            mend=f"Download {_CHECKPOINTS[wanted]} from github.com/unitaryai/detoxify/releases and name "
            "it with weights and weights_sha256, or allow offline: {scorer: linear-svm, threshold: 0.8}.",
        )
    return _use(_load_linear(), offline.threshold, wanted, lacking)


def _load_linear() -> Scorer:
    masked = {
        word
        for lines in read_sections(__package__, "mentions").values()
        for line in lines
        for word in line.split()
    }
    scorer = load_linear_scorer(masked)
    return replace(scorer, facts={**scorer.facts, "masked": digest_list(__package__, "mentions")})


def _find_lack(weights: str | None) -> str | None:
    if weights is None:
        return "no weights are named"
    if not _is_there(weights):
        return f"the weights {weights} are not there"
    if find_spec("detoxify") is None or find_spec("torch") is None:
        return "the detoxify library is not installed"
    return None


def _is_there(weights: str) -> bool:
    try:
        find_model(weights)
    except (ModelError, MissingExtra):
        return False
    return True


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


def _find_rule(old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any]) -> Rule:
    """The rule under other parameters; the scorer is the one that was used."""
    for name in ("scorer", "weights", "weights_sha256"):
        if old[name] != new[name]:
            raise ConfigError(
                f"toxicity: {name} cannot change without judging the rows again", seen=new[name]
            )
    tone = None if new["tone"] is None else ToneRule.model_validate(dict(new["tone"]))
    if tone is not None and (old["tone"] is None or _tell_reading(old["tone"]) != _tell_reading(new["tone"])):
        raise ConfigError("toxicity: tone cannot be told in another way without judging the rows again")
    used = str(facts["scorer_used"])
    if used == facts["scorer_requested"]:
        own = LINEAR_THRESHOLD if used == "linear-svm" else DETOXIFY_THRESHOLD
        return Rule(new["threshold"] or own, used, tone)
    if new["offline"] is None:
        raise ConfigError(
            f"toxicity: offline cannot be null: the rows were judged by {used}, which is the offline scorer"
        )
    return Rule(new["offline"]["threshold"], used, tone)


def _tell_reading(tone: Mapping[str, Any]) -> tuple[Any, ...]:
    """What cannot change without reading the rows again."""
    return tuple(tone.get(name) for name in ("embedding", "confirm_rows"))


def _find_bar(params: Mapping[str, Any]) -> Bar | None:
    at = params["escalate_slice_at"]
    return None if at is None else Bar(at, params["escalate_min_rows"], params["escalate_by"])
