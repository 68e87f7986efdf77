"""Toxicity: each text of a row scored by Detoxify or, offline, by a weaker linear model that says so.

A threshold belongs to its scorer, and so does what follows: the linear model mistakes who speaks against hate
for who spreads it, so it holds a row and never rejects it. Every record tells which of the two was at work.
The tone in which an assistant speaks is another matter, and asked of a language model (tone_judge.py).
"""

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, MissingExtra, ModelError
from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.resources import Resources
from synth_stack.gates.toxicity.canaries import KINDS, NEAR_BAR, build_controls, plant_lines
from synth_stack.gates.toxicity.pieces import READS, read_scored
from synth_stack.gates.toxicity.slice_holds import LATE_PARAMETERS, Measure, slice_late
from synth_stack.gates.toxicity.tone_judge import ToneJudge, ask_tones, choose_asked, sketch_spoken
from synth_stack.gates.toxicity.verdicts import TONE, TOXIC, Cutoffs, state_verdicts
from synth_stack.gates.toxicity.windows import score_rows
from synth_stack.models.devices import Device
from synth_stack.models.files import find_model
from synth_stack.models.toxicity import Scorer, load_detoxify, load_hate_ngrams
from synth_stack.registry import FilePath, gate

Threshold = Annotated[float, Field(gt=0, lt=1)]
ScorerName = Literal["detoxify:original", "detoxify:unbiased", "detoxify:multilingual", "hate-ngrams"]

DETOXIFY_THRESHOLD = 0.05
"""What a support desk asks for: nothing that a moderator would look at twice."""

LINEAR_THRESHOLD = 0.55
"""Holds 1 of 25,897 rows of the develop corpora: alpaca_demo, rc_en, cls_template, glaive_tools, the logs of
five systems, code_alpaca_2k, banking77 and gpteacher (benchmarks/toxicity.py)."""

BARS = {"hate": 0.4, "swear": 0.4, "plain_hate": 0.7, "tone": 0.5}
"""Below what is measured in the develop corpora, and far above the nothing that is left when a check is off
(benchmarks/toxicity.py). Of plain hate all is held, and none from 0.7 on."""

_CHECKPOINTS = {
    "detoxify:original": "v0.1-alpha/toxic_original-c1212f89.ckpt",
    "detoxify:unbiased": "v0.3-alpha/toxic_debiased-c7548aa0.ckpt",
    "detoxify:multilingual": "v0.4-alpha/multilingual_debiased-0b549669.ckpt",
}


class Offline(BaseModel):
    """The scorer that is used where Detoxify cannot be, and its own threshold."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    scorer: Literal["hate-ngrams"] = "hate-ngrams"
    threshold: Threshold = LINEAR_THRESHOLD


_OFFLINE = Offline()


@gate("toxicity", version="4", reads=READS, late=slice_late, late_parameters=LATE_PARAMETERS, harm="people")
def toxicity(
    resources: Resources,
    *,
    scorer: ScorerName = "detoxify:original",
    threshold: Threshold | None = None,
    weights: FilePath | None = None,
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None,
    device: Device = "auto",
    offline: Offline | None = _OFFLINE,
    tone: ToneJudge | None = None,
    escalate_slice_at: Threshold | None = 0.02,
    escalate_min_rows: Annotated[int, Field(ge=1)] = 20,
    escalate_by: Measure = "lower_bound",
) -> Judge:
    """A judge of rows with a text that scores `threshold` or more: Detoxify rejects them, hate-ngrams holds.

    `weights` is a Detoxify checkpoint or safetensors file, a path or `hub:<repo>:<file>`, and
    `weights_sha256` its digest (a checkpoint is a pickle, which runs code). Without weights, or without the
    detoxify library, the `offline` scorer judges under its own threshold; `offline: null` forbids that. Facts
    say which scorer was asked for, which was used and why, and every reason names the scorer. `threshold`
    null is the scorer's own: 0.05 for Detoxify, 0.55 for hate-ngrams.

    The score of a row is its highest sentence (for Detoxify, window of 500 characters), over all its texts
    (pieces.py) and all of the scorer's labels; evidence names path, role, label, score and offsets. What the
    user says in a row of kind "adversarial" is meant to be bad and is not scored; the answer is. A row with
    nothing to read, or nothing that the scorer can read, is abstained on. With `tone`, a language model is
    asked about the tone of what an assistant says in a row below the threshold.

    When the batch is done, a slice is held as a whole if more than `escalate_slice_at` of its judged rows
    were turned away and at least `escalate_min_rows` were judged: its accepted rows become `hold`. The lower
    end of the share's 95% interval has to pass the bar, so that one wrong verdict holds no slice; with
    `escalate_by: rate` the share itself has to. Rows without a slice are in none. Null never holds.

    Raises ConfigError for weights without digest or a teacher that is none, ModelError, MissingExtra.
    """
    used = _choose(scorer, threshold, weights, weights_sha256, device=device, offline=offline)
    cutoffs = Cutoffs(used.threshold, used.scorer.name, used.outcome, "hold" if tone is None else tone.action)
    ask = None if tone is None else resources.make_asker(tone.judge, "toxicity: tone")
    rounds: tuple[Round, ...] = ()
    if tone is not None:
        rounds = (Round(partial(sketch_spoken, rows=tone.rows), partial(choose_asked, rows=tone.rows)),)

    def judge(table: pa.Table, state: State) -> pa.Table:
        pieces = read_scored(table)
        worst = score_rows(pieces, used.scorer)
        opinions = None if ask is None else ask_tones(ask, table, state)
        return state_verdicts(table["row_id"], pieces, worst, opinions, cutoffs)

    is_linear = used.scorer.name == "hate-ngrams"
    kinds = [*KINDS, *(NEAR_BAR[:1] if is_linear else ()), *(() if tone is None else ("tone",))]
    return Judge(
        judge=judge,
        rounds=rounds,
        dials=(Dial(used.threshold, ">=", (TOXIC,), parameter=used.parameter, outcome=used.outcome),),
        facts=used.facts
        | {"tone": None if tone is None else {"judge": tone.judge.get("use"), "rows": tone.rows}},
        plant=partial(plant_lines, kinds=kinds),
        control=partial(build_controls, near_bar=is_linear),
        bars=BARS,
        caught_as={**dict.fromkeys(KINDS, (TOXIC,)), NEAR_BAR[0]: (TOXIC,), "tone": (TONE,)},
        off=("tone",) if tone is None else (),
        alone=None if tone is None else "it asks a language model about the tone of rows",
    )


@dataclass(frozen=True, slots=True)
class _Used:
    """The scorer that judges, its threshold, and the parameter that holds it."""

    scorer: Scorer
    threshold: float
    parameter: str
    facts: dict[str, Any]

    @property
    def outcome(self) -> Literal["hold", "reject"]:
        """What a score from the threshold on leads to."""
        return "reject" if self.scorer.name.startswith("detoxify:") else "hold"


def _choose(
    wanted: str,
    threshold: float | None,
    weights: str | None,
    sha256: str | None,
    *,
    device: Device,
    offline: Offline | None,
) -> _Used:
    if (weights is None) != (sha256 is None) or (weights is not None and wanted == "hate-ngrams"):
        raise ConfigError(
            "toxicity: weights and weights_sha256 go together, with a detoxify scorer",
            seen={"scorer": wanted, "weights": weights, "weights_sha256": sha256},
            mend="Get the digest with `sha256sum <weights>`.",
        )
    if wanted == "hate-ngrams":
        return _use(load_hate_ngrams(), threshold or LINEAR_THRESHOLD, wanted, None)
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
            "it with weights and weights_sha256, or allow offline: {scorer: hate-ngrams, threshold: 0.55}.",
        )
    return _use(load_hate_ngrams(), offline.threshold, wanted, lacking)


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
