"""What is wrong with an image: the first fault of a list, from those of the file to those of its pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synth_stack.images.looks import ImageLook, ReadLook
from synth_stack.images.measures import ImageMeasures

FILE_FAULTS = ("missing", "outside", "changed", "too_large", "no_image", "corrupt")
"""The names of faults with which no pixel is seen (images/decoding.py, images/attached.py)."""


@dataclass(frozen=True, slots=True)
class QualityBars:
    """What an image has to be: see the parameters of the gate."""

    min_side: int
    max_aspect: float
    modes: tuple[str, ...]
    max_blur: float | None
    min_contrast: float | None
    min_lightest: float | None
    max_darkest: float | None
    trailing: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of an image: the fault by name and in words, None for a good one, and what was
    measured.
    """

    fault: str | None
    said: str | None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def examine(read: ReadLook, bars: QualityBars) -> Finding | None:
    """The finding on an image; None for a row that has none."""
    if read.fault is not None:
        return Finding(read.fault.name, read.fault.said)
    if read.look is None:
        return None
    image, measures = read.look, read.look.measures
    fault, said = _check_form(image, bars) or _check_pixels(measures, bars) or (None, None)
    evidence = {
        "blur": round(measures.blur, 4),
        "contrast": round(measures.contrast, 4),
        "darkest": round(measures.darkest, 4),
        "lightest": round(measures.lightest, 4),
        "format": image.form,
        "mode": image.mode,
        "width": image.width,
        "height": image.height,
    }
    return Finding(fault, said, evidence)


def _check_form(image: ImageLook, bars: QualityBars) -> tuple[str, str] | None:
    short, long = sorted((image.width, image.height))
    if bars.trailing and image.trailing:
        return "trailing_data", f"{image.trailing} bytes come after the image in its file"
    if image.animated:
        return "animated", "it has several frames"
    if image.mode not in bars.modes:
        return "mode", f"its mode is {image.mode}, allowed {', '.join(bars.modes)}"
    if short < bars.min_side:
        return "small", f"{image.width} x {image.height} pixels, allowed from {bars.min_side}"
    if long > short * bars.max_aspect:
        return (
            "narrow",
            f"{image.width} x {image.height} pixels, one side more than {bars.max_aspect} times the other",
        )
    return None


def _check_pixels(measures: ImageMeasures, bars: QualityBars) -> tuple[str, str] | None:
    seen = {name: round(getattr(measures, name), 4) for name in ("lightest", "darkest", "contrast", "blur")}
    if bars.min_contrast is not None and seen["contrast"] < bars.min_contrast:
        return "flat", f"as good as one colour: contrast {seen['contrast']}, allowed from {bars.min_contrast}"
    if bars.min_lightest is not None and seen["lightest"] < bars.min_lightest:
        return "dark", f"98% of it is darker than {seen['lightest']}, allowed from {bars.min_lightest}"
    if bars.max_darkest is not None and seen["darkest"] > bars.max_darkest:
        return "bright", f"98% of it is lighter than {seen['darkest']}, allowed up to {bars.max_darkest}"
    if bars.max_blur is not None and seen["blur"] > bars.max_blur:
        return "blurred", f"blur {seen['blur']}, allowed up to {bars.max_blur}"
    return None
