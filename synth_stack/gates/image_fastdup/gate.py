"""fastdup's near duplicates, outliers and quality as verdicts, where its licence and environment allow it.

fastdup is licensed under CC BY-NC-ND 4.0 and needs an older NumPy, so it is no part of this package: it runs
in an environment of its own, whose Python the gate file names.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.canaries import build_canary
from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.image_fastdup.engine import LICENCE, check_fastdup, warn_of_licence
from synth_stack.gates.image_fastdup.outcome import GATE, decide_copies, find_lines, sketch_pixels
from synth_stack.gates.resources import Resources
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.images.attached import attach_inline, list_attached, read_attached
from synth_stack.images.decoding import require_pillow
from synth_stack.images.planting import write_png
from synth_stack.registry import FilePath, gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates

COPY, OUTLIER, BLURRED, DARK, BRIGHT = (
    f"{GATE}.{name}" for name in ("near_duplicate", "outlier", "blurred", "dark", "bright")
)
Similarity = Annotated[float, Field(ge=0.5, lt=1)]


@gate(GATE, version="1", reads=())
def image_fastdup(
    resources: Resources,
    *,
    python: FilePath,
    noncommercial: bool = False,
    threshold: Similarity = 0.96,
    max_outlier: Annotated[float, Field(ge=0, le=1)] | None = 0.68,
    min_blur: Annotated[float, Field(ge=0)] | None = 50.0,
    min_mean: Annotated[float, Field(ge=0, le=255)] | None = 13.0,
    max_mean: Annotated[float, Field(ge=0, le=255)] | None = 220.5,
) -> Judge:
    """A judge that rejects near duplicates as fastdup finds them, and holds outliers and poor images.

    `python` is the interpreter of an environment with fastdup 2.54; `noncommercial: true` says that its
    licence (CC BY-NC-ND 4.0) allows your use. The score is the similarity to the image that stays, above
    `threshold` a copy; evidence names the twin. Held are images whose nearest other is less similar than
    `max_outlier`, that are more blurred than `min_blur` (the variance of the Laplacian), or whose mean
    luminance lies outside of `min_mean` to `max_mean`; null switches a check off.

    Defaults: those of fastdup's own galleries (2.54: 0.96 for near duplicates, 0.68 for outliers, 50 for
    blur, 13 and 220.5 for dark and bright). Raises ConfigError, MissingExtra, GateError.
    """
    require_pillow()
    if not noncommercial:
        raise ConfigError(
            f"fastdup is licensed under {LICENCE}, which forbids commercial use",
            mend="Say `noncommercial: true` where that is what you do, or use image_duplicates.",
        )
    warn_of_licence()
    version = check_fastdup(Path(python))
    bars = {"outlier": max_outlier, "blur": min_blur, "dark": min_mean, "bright": max_mean}
    return Judge(
        judge=partial(_judge, threshold=threshold, bars=bars),
        rounds=(
            Round(
                partial(sketch_pixels, folder=resources.attachments),
                partial(decide_copies, python=Path(python), threshold=threshold),
            ),
        ),
        facts={"fastdup": version, "license": LICENCE},
        plant=partial(_plant_copies, folder=resources.attachments),
        dials=(Dial(threshold, ">", (COPY,), parameter="threshold", lowest=threshold),),
        alone="fastdup reads images that no worker has",
    )


def _judge(table: pa.Table, state: State, *, threshold: float, bars: Mapping[str, float | None]) -> pa.Table:
    said = [_say(line, bars) for line in find_lines(state, table)]
    return write_row_verdicts(table, GATE, said, threshold=threshold)


def _say(line: Mapping[str, Any], bars: Mapping[str, float | None]) -> RowVerdict:
    if not line["seen"]:
        return RowVerdict("abstain", None, "there is no image that can be decoded", f"{GATE}.no_image", None)
    similarity = round(line["similarity"], 4)
    figures = {name: round(line[name], 4) for name in ("nearest", "blur", "mean") if line[name] is not None}
    evidence = figures | ({} if line["twin"] is None else {"twin": line["twin"]})
    told = canonical_text(evidence) if evidence else None
    if line["twin"] is not None:
        return RowVerdict("reject", similarity, f"like {line['twin']}, similarity {similarity}", COPY, told)
    held = _find_held(figures, bars)
    if held is None:
        return RowVerdict("accept", similarity, None, None, told)
    return RowVerdict("hold", similarity, *held, told)


def _find_held(figures: Mapping[str, float], bars: Mapping[str, float | None]) -> tuple[str, str] | None:
    """Why an image is held, and the class of that; None for one that is not."""
    checks = (
        (
            "nearest",
            "outlier",
            "<",
            "an outlier: nearest image has a similarity of {}, allowed from {}",
            OUTLIER,
        ),
        ("mean", "dark", "<", "dark: mean luminance {}, allowed from {}", DARK),
        ("mean", "bright", ">", "bright: mean luminance {}, allowed up to {}", BRIGHT),
        ("blur", "blur", "<", "blurred: variance of the Laplacian {}, allowed from {}", BLURRED),
    )
    for figure, name, side, words, reason_class in checks:
        value, bar = figures.get(figure), bars[name]
        if value is not None and bar is not None and (value < bar if side == "<" else value > bar):
            return words.format(value, bar), reason_class
    return None


def _plant_copies(sample: pa.Table, n: int, seed: int, *, folder: Path | None) -> pa.Table:
    """Up to `n` images of the sample, as they are but for a grey level here and there."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for attached in list_attached(sample.slice(0, 3 * n)):
        image = read_attached(folder, attached).image
        if image is None or len(rows) == n:
            continue
        number = len(rows)
        noisy = np.clip(image.pixels + rng.integers(-1, 2, image.pixels.shape), 0, 255).astype(np.uint8)
        words = [{"role": "text", "content": ""}]
        row = build_canary("image", words, "an image again, a little noisier", number, kind="copy")
        rows.append(row | {"text": None, "attachments": [attach_inline(write_png(noisy))]})
    return build_candidates(rows)
