"""A teacher that makes images: a diffusion pipeline on this machine, its weights digested file by file."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from synth_stack.diffusion.families import ControlForm, ControlKind
from synth_stack.diffusion.requests import DType, Offload, SchedulerName
from synth_stack.errors import ConfigError
from synth_stack.registry import FilePath, teacher

if TYPE_CHECKING:
    from synth_stack.teachers.diffusion_llm import DiffusionLLM

License = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")]
"""An SPDX identifier, or LicenseRef- and a name of your own."""
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Variant = Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$")]
Pickles = dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


def _check_devices(devices: list[str]) -> list[str]:
    import re

    if not devices or len(set(devices)) != len(devices):
        raise ValueError("one device, or several different ones")
    for device in devices:
        if not re.fullmatch(r"cpu|cuda:[0-9]{1,2}", device):
            raise ValueError(f"{device!r} is no device: cpu, or cuda: and a number")
    return devices


class ControlUse(BaseModel):
    """What steers the pipeline: a ControlNet for one `kind`, a `union` of several, or the `transformer` of a
    FLUX.1 Control model, which is the pipeline's own and has no `path`.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    form: ControlForm = "controlnet"
    kind: ControlKind | None = None
    path: FilePath | None = None
    revision: Commit | None = None
    license: License | None = None
    variant: Variant | None = None
    pickles: Pickles = {}


class LoraUse(BaseModel):
    """LoRA weights in a safetensors file, added at this `scale`, and their licence."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    path: FilePath
    license: License
    scale: Annotated[float, Field(ge=-4, le=4, allow_inf_nan=False)] = 1.0


@teacher("diffusion", version="1")
def diffusion(
    *,
    model: FilePath,
    license: License,  # noqa: A002  (the word that recipes and cards use)
    revision: Commit | None = None,
    variant: Variant | None = None,
    controls: list[ControlUse] = [],  # noqa: B006  (a signature read as a schema; never mutated)
    loras: list[LoraUse] = [],  # noqa: B006
    scheduler: SchedulerName = "model",
    dtype: DType | None = None,
    offload: Offload = "none",
    vae_tiling: bool = False,
    devices: Annotated[list[str], AfterValidator(_check_devices)] | None = None,
    images_at_once: Annotated[int, Field(ge=1, le=256)] = 1,
    threads: Annotated[int, Field(ge=1, le=256)] = 1,
    pickles: Pickles = {},  # noqa: B006
) -> "DiffusionLLM":
    """A distilabel LLM that makes images with SDXL, FLUX.1 or SD3.5.

    `model` is a folder in the layout of diffusers, or "hub:OWNER/NAME" at the commit `revision`. All weights
    are safetensors; a pickle is loaded only where `pickles` pins its SHA-256. Without `devices` every GPU is
    used, one worker each, or the CPU. `dtype` is by default float32 on the CPU and bfloat16 on GPUs, in which
    FLUX.1 and SD3.5 are published. One image at a time, on the CPU in one of `threads`, is bit-exact, and so
    replayable; more at once are faster where a GPU has room. `scheduler` is by default the model's own;
    others are of SDXL.

    Raises ConfigError for controls that the family does not take, ModelError for weights that are missing or
    may not be loaded, MissingExtra without diffusers.
    """
    from synth_stack.teachers.diffusion_llm import make_diffusion

    if any(control.form == "transformer" for control in controls) and len(controls) > 1:
        raise ConfigError(
            "teacher.controls: a pipeline whose own transformer takes the condition has no other control",
            seen=", ".join(control.form for control in controls),
        )
    return make_diffusion(
        model=model,
        licence=license,
        revision=revision,
        variant=variant,
        controls=controls,
        loras=loras,
        scheduler=scheduler,
        dtype=dtype,
        offload=offload,
        vae_tiling=vae_tiling,
        devices=devices,
        images_at_once=images_at_once,
        threads=threads,
        pickles=pickles,
    )
