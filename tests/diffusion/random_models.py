"""Pipelines of random weights in every family, and how tests ask them."""

from pathlib import Path
from typing import Any

from synth_stack.diffusion.device_pipeline import ControlWeights, PipelineSpec
from synth_stack.diffusion.device_pool import DevicePool
from synth_stack.diffusion.families import FAMILIES, ControlForm, ControlKind, FamilyName
from synth_stack.diffusion.random_weights import write_random_controlnet, write_random_pipeline
from synth_stack.diffusion.requests import Condition, ImageRequest, MadeImage
from synth_stack.diffusion.weights import WeightsFolder
from synth_stack.images.decoding import Pixels
from tests.picture_rows import draw_picture

FAMILY_NAMES: tuple[FamilyName, ...] = ("sdxl", "flux", "sd3")


def write_models(folder: Path) -> Path:
    """Pipelines and networks of every family, below `folder`."""
    for name in FAMILY_NAMES:
        write_random_pipeline(folder / name, name)
        write_random_controlnet(folder / f"{name}-controlnet", name)
        if FAMILIES[name].union_modes:
            write_random_controlnet(folder / f"{name}-union", name, union=True)
    write_random_pipeline(folder / "flux-control", "flux", control=True)
    return folder


def make_spec(
    models: Path,
    name: FamilyName,
    form: ControlForm | None,
    kinds: tuple[ControlKind, ...] = (),
    **more: Any,
) -> PipelineSpec:
    """A pipeline of a family, with controls of one form."""
    base = WeightsFolder(
        models / (f"{name}-control" if form == "transformer" else name), name
    ).check_pipeline()
    controls: tuple[ControlWeights, ...] = ()
    if form == "transformer":
        controls = (ControlWeights(form, kinds[0], None),)
    elif form is not None:
        net = WeightsFolder(models / f"{name}-{form}", form).check_controlnet(name, union=form == "union")
        named: tuple[ControlKind | None, ...] = kinds if form == "controlnet" else (None,)
        controls = tuple(ControlWeights(form, kind, net) for kind in named)
    return PipelineSpec(base, controls, **more)


def ask(
    seed: int, *kinds: ControlKind, scale: float = 1.0, end: float = 1.0, picture: int = 5
) -> ImageRequest:
    """One image of 64 x 64 pixels from the noise of a seed."""
    told = tuple(Condition(kind, draw_picture(picture, 64), scale, 0.0, end) for kind in kinds)
    return ImageRequest("a red car", 64, 64, 2, 3.0, seed, conditions=told)


def make(
    spec: PipelineSpec, *requests: ImageRequest, at_once: int = 2, devices: tuple[str, ...] = ("cpu",)
) -> list[Pixels]:
    """The images of the requests, from a pool that is made for them."""
    pool = DevicePool(spec, devices, at_once, 1)
    pool.load()
    try:
        made: list[MadeImage] = [image for future in pool.make(requests) for image in future.result()]
    finally:
        pool.unload()
    assert all(each.failure is None and each.pixels is not None for each in made)
    return [each.pixels for each in made if each.pixels is not None]
