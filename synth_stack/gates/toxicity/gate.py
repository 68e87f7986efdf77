"""Toxicity: each text of a row scored by Detoxify or, offline, by a far weaker linear model that says so.

A threshold belongs to its scorer. Detoxify below 0.05 says little about a linear SVM over swear words, so
the offline scorer has a threshold of its own, and every record tells which of the two was at work. What is
combative or hostile without a swear word is for tone.py, which has a score and a threshold of its own.
"""

from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, MissingExtra, ModelError
from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.toxicity.canaries import plant_lines
from synth_stack.gates.toxicity.pieces import READS, read_scored, select_toned
from synth_stack.gates.toxicity.slice_holds import LATE_PARAMETERS, Measure, slice_late
from synth_stack.gates.toxicity.tone import load_tone
from synth_stack.gates.toxicity.tone_budget import choose_rows, read_confirmed, sketch_signs
from synth_stack.gates.toxicity.verdicts import (
    TONE,
    TONE_TOLD_FROM,
    TOXIC,
    Cutoffs,
    ToneRule,
    score_rows,
    state_verdicts,
)
from synth_stack.gates.word_lists import digest_list, read_sections
from synth_stack.models.files import find_model
from synth_stack.models.toxicity import Device, Scorer, load_detoxify, load_linear_scorer
from synth_stack.registry import FilePath, gate

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


@gate("toxicity", version="3", reads=READS, late=slice_late, late_parameters=LATE_PARAMETERS)
def toxicity(
    *,
    scorer: ScorerName = "detoxify:original",
    threshold: Threshold | None = None,
    weights: FilePath | None = None,
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None,
    device: Device = "auto",
    offline: Offline | None = _OFFLINE,
    tone: ToneRule | None = _TONE,
    escalate_slice_at: Threshold | None = 0.02,
    escalate_min_rows: Annotated[int, Field(ge=1)] = 20,
    escalate_by: Measure = "rate",
) -> Judge:
    """A judge that rejects a row one of whose texts scores `threshold` or more, and holds a bad tone.

    `weights` is a Detoxify checkpoint or safetensors file, a path or `hub:<repo>:<file>`, and
    `weights_sha256` its digest (a checkpoint is a pickle, which runs code). Without weights, or without the
    detoxify library, the `offline` scorer judges under its own threshold; `offline: null` forbids that. Facts
    say which scorer was asked for, which was used and why, and the reason of every reject names the scorer.
    `threshold` null is the scorer's own: 0.05 for Detoxify, 0.8 for linear-svm.

    The score of a row is its highest window of characters (500 for Detoxify, 150 for linear-svm), over all
    its texts (pieces.py) and all of the scorer's labels; evidence names path, role, label, score and offsets.
    What the user says in a row of kind "adversarial" is meant to be bad and is not scored; the answer is. A
    row with nothing to read is abstained on. A row below the threshold whose tone reaches `tone.threshold` is
    held or rejected, with a reason of its own; evidence has the tone score of every row from 0.1 on. With
    `tone.embedding` the meaning of what an agent says is looked at in the `tone.confirm_rows` rows of the
    batch with most signs of a bad tone (tone_budget.py); in canaries always.

    When the batch is done, a slice is held as a whole if more than `escalate_slice_at` of its judged rows
    were rejected and at least `escalate_min_rows` were judged: its accepted rows become `hold`. A hold costs
    a look and a toxic slice costs a data set, so the rate itself has to pass the bar; with `escalate_by:
    lower_bound` the lower end of its 95% interval has to. Rows without a slice are in none. Null never holds.

    Raises ConfigError for weights without digest, ModelError, MissingExtra.
    """
    used = _choose(scorer, threshold, weights, weights_sha256, device=device, offline=offline)
    cutoffs = Cutoffs(used.threshold, used.scorer.name, tone)
    model = None if tone is None else load_tone(tone.embedding)
    wrongs = [
        wrong for wrong in read_sections(__package__, "canaries") if tone is not None or wrong == "insult"
    ]
    rounds: tuple[Round, ...] = ()
    if model is not None and model.meaning is not None and tone is not None:
        most = tone.confirm_rows
        rounds = (Round(partial(sketch_signs, confirm_rows=most), partial(choose_rows, confirm_rows=most)),)

    def judge(table: pa.Table, state: State) -> pa.Table:
        pieces = read_scored(table)
        worst = score_rows(pieces, used.scorer)
        toned = None
        if model is not None:
            confirmed = read_confirmed(table, state) if rounds else None
            toned = model.score(select_toned(pieces, table), confirmed)
        return state_verdicts(table["row_id"], pieces, worst, toned, cutoffs)

    return Judge(
        judge=judge,
        rounds=rounds,
        dials=_list_dials(used, tone),
        facts=used.facts | {"tone": None if model is None else dict(model.facts)},
        plant=partial(plant_lines, wrongs=wrongs),
        min_recall=MIN_RECALL["words" if tone is None else "tone"],
    )


def _list_dials(used: "_Used", tone: ToneRule | None) -> tuple[Dial, ...]:
    toxic = Dial(used.threshold, ">=", (TOXIC,), parameter=used.parameter)
    if tone is None:
        return (toxic,)
    combative = Dial(
        tone.threshold,
        ">=",
        (TONE,),
        parameter="tone.threshold",
        score="tone.score",
        outcome="tone.action",
        lowest=TONE_TOLD_FROM,
    )
    return (toxic, combative)


@dataclass(frozen=True, slots=True)
class _Used:
    """The scorer that judges, its threshold, and the parameter that holds it."""

    scorer: Scorer
    threshold: float
    parameter: str
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
        "window_chars": scorer.window_chars,
        **scorer.facts,
    }
    parameter = "threshold" if scorer.name == wanted else "offline.threshold"
    return _Used(scorer, threshold, parameter, facts)
