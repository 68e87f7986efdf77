"""What a pipeline is asked for, and what it gives."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synth_stack.diffusion.families import ControlKind

RgbPixels = NDArray[np.uint8]
"""Red, green and blue, (height, width, 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """An image that steers: how strongly (`scale`), and from which to which share of the steps."""

    kind: ControlKind
    pixels: RgbPixels
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ImageRequest:
    """One image: what is in it, of which size, in how many steps, from which noise."""

    prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    negative_prompt: str | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """What the images of one call share."""
        steered = tuple((each.kind, each.scale, each.start, each.end) for each in self.conditions)
        return (self.width, self.height, self.steps, self.guidance, self.negative_prompt is None, steered)


@dataclass(frozen=True, slots=True, eq=False)
class MadeImage:
    """The pixels of a request, or why there are none; `seconds` is its share of the call."""

    pixels: RgbPixels | None
    failure: str | None = None
    seconds: float = 0.0


DType = Literal["float32", "bfloat16", "float16"]
Offload = Literal["none", "model", "sequential"]
SchedulerName = Literal["model", "euler", "euler_a", "ddim", "dpmpp_2m", "unipc"]
