"""The arguments by which each class of pipeline takes its conditions."""

from collections.abc import Sequence
from typing import Any

from synth_stack.diffusion.families import FAMILIES, ControlForm, FamilyName
from synth_stack.diffusion.requests import Condition, ImageRequest


def steer(family: FamilyName, form: ControlForm, requests: Sequence[ImageRequest]) -> dict[str, Any]:
    """The arguments for requests of one shape, with at least one condition each.

    Images lie by condition, then by request. A network alone takes them without a list around them.
    """
    told = requests[0].conditions
    images = [
        [_make_image(family, each.conditions[number]) for each in requests] for number in range(len(told))
    ]
    if form == "transformer":
        return {"control_image": images[0]}
    if family == "sd3":
        images = [_stack(each) for each in images]
    alone = form == "controlnet" and len(told) == 1

    def spread(values: list[Any]) -> Any:
        return values[0] if alone else values

    named = "image" if family == "sdxl" and form == "controlnet" else "control_image"
    arguments = {
        named: spread(images),
        "controlnet_conditioning_scale": spread([each.scale for each in told]),
        "control_guidance_start": spread([each.start for each in told]),
        "control_guidance_end": spread([each.end for each in told]),
    }
    if family == "sdxl" and form == "controlnet" and not alone:  # several networks: one request a call
        arguments[named] = [each[0] for each in images]
    if form == "union":
        modes = FAMILIES[family].union_modes
        arguments["control_mode"] = [modes[each.kind] for each in told]
    return arguments


def _make_image(family: FamilyName, condition: Condition) -> Any:
    if family != "sd3":
        from PIL import Image

        return Image.fromarray(condition.pixels)
    import torch

    plain = torch.from_numpy(condition.pixels.copy()).permute(2, 0, 1).float() / 255
    # Stability's own network for edges was trained on another range than those for depth and blur
    # (huggingface/diffusers pull request 10020, SD3CannyImageProcessor)
    return plain * 127.5 + 0.5 if condition.kind == "canny" else plain * 2 - 1


def _stack(images: list[Any]) -> Any:
    import torch

    return torch.stack(images)
