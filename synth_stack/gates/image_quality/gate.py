"""Images that cannot be used: that cannot be decoded, are of the wrong shape, or show as good as nothing."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.image_quality.canaries import plant_faults, plant_good
from synth_stack.gates.image_quality.faults import Finding, QualityBars, examine
from synth_stack.gates.resources import Resources
from synth_stack.images.attached import list_attached
from synth_stack.images.decoding import FORMATS, require_pillow
from synth_stack.images.looks import map_looks
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts

Share = Annotated[float, Field(ge=0, le=1)]


@gate("image_quality", version="3", reads=())
def image_quality(
    resources: Resources,
    *,
    min_side: Annotated[int, Field(ge=1)] = 64,
    max_aspect: Annotated[float, Field(ge=1)] = 4.0,
    modes: Annotated[list[str], Field(min_length=1)] = ["RGB", "L"],  # noqa: B006  (read, never changed)
    max_blur: Share | None = 0.85,
    min_contrast: Share | None = 0.05,
    min_lightest: Share | None = 0.12,
    max_darkest: Share | None = 0.92,
    trailing: bool = True,
) -> Judge:
    """A judge that rejects a row whose image cannot be used, and says which fault it is.

    A file that is missing, changed, outside of the folder, too large or no image; bytes after the image
    (`trailing`); an animation; a mode that is none of `modes` (Pillow's names, and RGB;16 for colours of 16
    bits: I;16 is grey of 16 bits, CMYK is print); a side below `min_side`; sides of more than `max_aspect` to
    one; and then its pixels: a flat one, a dark one, a bright one, a blurred one (measures.py). None switches
    a check of pixels off. A row without an image is abstained on. There is no score; the evidence has the
    measures.

    Defaults: 64 pixels, an eighth of what the smallest diffusion models make; the checks of pixels where
    benchmarks/images.py has no photograph beyond them. Raises MissingExtra.
    """
    require_pillow()
    folder = resources.attachments
    bars = QualityBars(
        min_side, max_aspect, tuple(modes), max_blur, min_contrast, min_lightest, max_darkest, trailing
    )
    checks: dict[str, tuple[str, float | None, Literal["<", ">"], str]] = {
        "flat": ("min_contrast", min_contrast, "<", "contrast"),
        "dark": ("min_lightest", min_lightest, "<", "lightest"),
        "bright": ("max_darkest", max_darkest, ">", "darkest"),
        "blurred": ("max_blur", max_blur, ">", "blur"),
    }
    return Judge(
        judge=partial(_judge, folder=folder, bars=bars),
        facts={"formats": list(FORMATS)},
        plant=partial(plant_faults, folder=folder, trailing=trailing),
        control=plant_good,
        off=tuple(kind for kind, (_, bar, _, _) in checks.items() if bar is None)
        + (() if trailing else ("trailing_data",)),
        dials=tuple(
            Dial(bar, side, (f"image_quality.{kind}",), parameter=name, score=score, strict=False)
            for kind, (name, bar, side, score) in checks.items()
            if bar is not None
        ),
    )


def _judge(table: pa.Table, _: State, *, folder: Path | None, bars: QualityBars) -> pa.Table:
    found = [examine(read, bars) for read in map_looks(folder, list_attached(table))]
    return build_verdicts(
        table["row_id"],
        "image_quality",
        [_choose_outcome(each) for each in found],
        reasons=[_say(each) for each in found],
        reason_classes=[
            "image_quality.without_image" if each is None else each.fault and f"image_quality.{each.fault}"
            for each in found
        ],
        evidence=[canonical_text(each.evidence) if each and each.evidence else None for each in found],
    )


def _choose_outcome(found: Finding | None) -> str:
    if found is None:
        return "abstain"
    return "accept" if found.fault is None else "reject"


def _say(found: Finding | None) -> str | None:
    if found is None:
        return "the row has no image"
    return None if found.said is None else f"{(found.fault or '').replace('_', ' ')}: {found.said}"
