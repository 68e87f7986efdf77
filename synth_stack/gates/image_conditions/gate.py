"""Images that do not follow the condition that they were made with: another outline, another layout of light.

Edges and blurred images are compared by pixels. Depths, poses, layouts and labels need a model by path that
sees them in the image; without it they are abstained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.image_conditions.canaries import plant_others, plant_own
from synth_stack.gates.image_conditions.measures import Measure, NotComparable, load_models
from synth_stack.gates.resources import Resources
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.images.attached import AttachedFile, list_attached, map_threads, read_attached
from synth_stack.images.conditions import ToldCondition, list_conditions
from synth_stack.images.decoding import require_pillow
from synth_stack.registry import FilePath, gate
from synth_stack.rows.canonical import canonical_text

GATE = "image_conditions"
DEPARTS = f"{GATE}.departs"
Share = Annotated[float, Field(gt=0.5, lt=1)]
_DECIMALS = 4


@gate(GATE, version="1", reads=())
def image_conditions(
    resources: Resources,
    *,
    threshold: Share = 0.7,
    depth_model: FilePath | None = None,
    pose_model: FilePath | None = None,
    detector: FilePath | None = None,
    segmenter: FilePath | None = None,
    action: Literal["reject", "hold"] = "reject",
) -> Judge:
    """A judge that rejects (or holds) an image that agrees with a condition of it by less than `threshold`.

    The score is the least agreement: 1 for what follows its condition exactly, 0.5 for what has nothing to do
    with it. `canny` compares edges, `blur` colours without what is fine. The others ask the model in a folder
    of transformers, whose weights are safetensors: `depth` the order of depths that `depth_model` estimates,
    `pose` the joints that `pose_model` estimates where the condition has people, `layout` the boxes that
    `detector` finds, `segment` the labels that `segmenter` gives. A row without a condition, or with none
    that can be compared, is abstained on; the evidence names those.

    Default: 0.7, between conditions of an image's own and those of others in benchmarks/images.py; of poses,
    boxes and labels a similarity or overlap of 0.4. Raises MissingExtra, ModelError.
    """
    require_pillow()
    models = load_models(depth_model, pose_model, detector, segmenter)
    measures = models.list_measures()
    return Judge(
        judge=partial(
            _judge, folder=resources.attachments, measures=measures, threshold=threshold, action=action
        ),
        facts=models.describe(),
        plant=partial(plant_others, models=models, folder=resources.attachments),
        control=partial(plant_own, models=models, folder=resources.attachments),
        dials=(Dial(threshold, "<", (DEPARTS,), parameter="threshold", outcome="action"),),
    )


@dataclass(frozen=True, slots=True)
class ConditionAgreement:
    """Of one row: agreement by kind, and what could not be compared and why; `lacks`: why nothing could."""

    by_kind: Mapping[str, float]
    uncompared: Mapping[str, str]
    lacks: str | None = None


def _judge(
    table: pa.Table,
    _: State,
    *,
    folder: Path | None,
    measures: Mapping[str, Measure],
    threshold: float,
    action: str,
) -> pa.Table:
    rows = list(zip(list_attached(table), list_conditions(table), strict=True))
    found = list(map_threads(partial(_compare, folder=folder, measures=measures), rows))
    said = [_say(each, threshold, action) for each in found]
    return write_row_verdicts(table, GATE, said, threshold=threshold)


def _compare(
    row: tuple[AttachedFile | None, Sequence[ToldCondition]],
    *,
    folder: Path | None,
    measures: Mapping[str, Measure],
) -> ConditionAgreement:
    attached, conditions = row
    if not conditions:
        return ConditionAgreement({}, {}, "the row has no condition")
    image = read_attached(folder, attached).image
    if image is None:
        return ConditionAgreement({}, {}, "there is no image that can be decoded")
    by_kind: dict[str, float] = {}
    uncompared: dict[str, str] = {}
    for told in conditions:
        map_ = read_attached(folder, told.file).image
        if told.kind not in measures:
            uncompared[told.kind] = "nothing here compares this kind"
        elif map_ is None:
            uncompared[told.kind] = "its file cannot be decoded"
        else:
            try:
                agreement = measures[told.kind](image.pixels, map_.pixels, told)
            except NotComparable as exc:
                uncompared[told.kind] = str(exc)
            else:
                by_kind[told.kind] = min(round(agreement, _DECIMALS), by_kind.get(told.kind, 1.0))
    return ConditionAgreement(by_kind, uncompared)


def _say(found: ConditionAgreement, threshold: float, action: str) -> RowVerdict:
    evidence = {"agreement": dict(found.by_kind)} if found.by_kind else {}
    told = canonical_text(evidence | ({"uncompared": dict(found.uncompared)} if found.uncompared else {}))
    if found.lacks is not None:
        return RowVerdict("abstain", None, found.lacks, f"{GATE}.nothing_to_compare", None)
    if not found.by_kind:
        why = "; ".join(f"{kind}: {why}" for kind, why in found.uncompared.items())
        return RowVerdict(
            "abstain", None, f"no condition could be compared: {why}", f"{GATE}.not_compared", told
        )
    worst, least = min(found.by_kind.items(), key=lambda item: item[1])
    if least < threshold:
        reason = f"departs from its condition {worst}: agreement {least}, allowed from {threshold}"
        return RowVerdict(action, least, reason, DEPARTS, told)
    return RowVerdict("accept", least, None, None, told)
