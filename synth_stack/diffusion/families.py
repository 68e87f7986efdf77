"""The families of pipelines: their classes in diffusers, what their folders may name, what steers them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from synth_stack.errors import ConfigError

FamilyName = Literal["sdxl", "flux", "sd3"]
ControlKind = Literal["canny", "depth", "pose", "blur", "layout", "segment"]
ControlForm = Literal["controlnet", "union", "transformer"]
"""A network for one kind, a network for several, or (FLUX.1 Depth, Canny) the pipeline's own transformer."""

CONTROL_KINDS: tuple[ControlKind, ...] = ("canny", "depth", "pose", "blur", "layout", "segment")

_TEXT = ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPTokenizer", "CLIPTokenizerFast")
_T5 = ("T5EncoderModel", "T5Tokenizer", "T5TokenizerFast")


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of one family.

    `classes` has the pipeline's class in diffusers by the form of its controls, None without any;
    `components` every class that its folder may name; `controls` the kinds that it takes by form;
    `union_modes` the number of a kind in a union network. `multiple`: sides of images are multiples of it.
    `negative`: whether it takes a negative prompt. `steps` and `guidance` are the defaults of its class.
    """

    title: str
    classes: Mapping[ControlForm | None, str]
    controlnet: str
    components: frozenset[str]
    controls: Mapping[ControlForm, Sequence[ControlKind]]
    schedulers: frozenset[str]
    union_modes: Mapping[ControlKind, int] = field(default_factory=dict)
    multiple: int = 8
    negative: bool = True
    steps: int = 50
    guidance: float = 5.0


_FLOW = frozenset({"FlowMatchEulerDiscreteScheduler"})

FAMILIES: Mapping[FamilyName, Family] = {
    "sdxl": Family(
        title="SDXL",
        classes={
            None: "StableDiffusionXLPipeline",
            "controlnet": "StableDiffusionXLControlNetPipeline",
            "union": "StableDiffusionXLControlNetUnionPipeline",
        },
        controlnet="ControlNetModel",
        components=frozenset({*_TEXT, "UNet2DConditionModel", "AutoencoderKL"}),
        controls={
            "controlnet": ("canny", "depth", "pose"),
            "union": ("canny", "depth", "pose", "layout", "segment"),
        },
        schedulers=frozenset(
            "EulerDiscreteScheduler EulerAncestralDiscreteScheduler DDIMScheduler "
            "DPMSolverMultistepScheduler UniPCMultistepScheduler LCMScheduler".split()
        ),
        # xinsir/controlnet-union-sdxl-1.0, README: 0 pose, 1 depth, 3 canny, 5 segments
        union_modes={"pose": 0, "depth": 1, "canny": 3, "segment": 5, "layout": 5},
    ),
    "flux": Family(
        title="FLUX.1",
        classes={
            None: "FluxPipeline",
            "controlnet": "FluxControlNetPipeline",
            "union": "FluxControlNetPipeline",
            "transformer": "FluxControlPipeline",
        },
        controlnet="FluxControlNetModel",
        components=frozenset({*_TEXT, *_T5, "FluxTransformer2DModel", "AutoencoderKL"}),
        controls={
            "controlnet": ("canny", "depth", "pose", "blur"),
            "union": ("canny", "depth", "pose", "blur"),
            "transformer": ("canny", "depth"),
        },
        schedulers=_FLOW,
        # InstantX/FLUX.1-dev-Controlnet-Union, README: 0 canny, 2 depth, 3 blur, 4 pose
        union_modes={"canny": 0, "depth": 2, "blur": 3, "pose": 4},
        multiple=16,
        negative=False,
        steps=28,
        guidance=3.5,
    ),
    "sd3": Family(
        title="SD3.5",
        classes={None: "StableDiffusion3Pipeline", "controlnet": "StableDiffusion3ControlNetPipeline"},
        controlnet="SD3ControlNetModel",
        components=frozenset({*_TEXT, *_T5, "SD3Transformer2DModel", "AutoencoderKL"}),
        controls={"controlnet": ("canny", "depth", "blur")},
        schedulers=_FLOW,
        multiple=16,
        steps=28,
        guidance=7.0,
    ),
}

UNION_CLASS = "ControlNetUnionModel"
"""The class of a union network of SDXL; those of FLUX.1 are of the class of any other, with `num_mode`."""


def find_family(pipeline_class: str, *, where: str) -> FamilyName:
    """The family of a pipeline's class. Raises ConfigError for one that is of none."""
    for name, family in FAMILIES.items():
        if pipeline_class in family.classes.values():
            return name
    raise ConfigError(
        f"{where} is no pipeline of a family that can be asked for images",
        seen=pipeline_class,
        allowed=", ".join(family.title for family in FAMILIES.values()),
    )


def require_control(name: FamilyName, form: ControlForm, kind: ControlKind) -> None:
    """Raises ConfigError where a family does not take that kind of control in that form."""
    family = FAMILIES[name]
    if kind in family.controls.get(form, ()):
        return
    taken = [f"{each} ({', '.join(kinds)})" for each, kinds in family.controls.items()]
    raise ConfigError(
        f"{family.title} takes no {kind} from a control of form {form}",
        seen=f"{form}: {kind}",
        allowed="; ".join(taken),
    )
