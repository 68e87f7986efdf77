"""One pipeline on one device: loaded from checked weights, and asked for images, several at a call.

Its parts are loaded once; the pipeline's class depends on what steers a request, and takes the same parts.
"""

import contextlib
import gc
import inspect
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synth_stack.diffusion.families import FAMILIES, ControlForm, ControlKind, require_control
from synth_stack.diffusion.requests import DType, ImageRequest, MadeImage, Offload, SchedulerName
from synth_stack.diffusion.steering import steer
from synth_stack.diffusion.weights import CheckedWeights
from synth_stack.errors import ConfigError, ModelError, TeacherError

SCHEDULERS: Mapping[SchedulerName, tuple[str, dict[str, Any]]] = {
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
"""Of SDXL; the other families have the one that their flow was trained with."""


@dataclass(frozen=True, slots=True)
class ControlWeights:
    """What steers a pipeline: a network for one kind, a union of several, or its own transformer (without
    weights).
    """

    form: ControlForm
    kind: ControlKind | None
    weights: CheckedWeights | None


@dataclass(frozen=True, slots=True)
class Lora:
    """Weights added to a pipeline, at this scale."""

    name: str
    path: Path
    scale: float


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """Everything that a pipeline is loaded from, and how it lies in memory."""

    weights: CheckedWeights
    controls: tuple[ControlWeights, ...] = ()
    loras: tuple[Lora, ...] = ()
    dtype: DType = "float32"
    offload: Offload = "none"
    vae_tiling: bool = False
    scheduler: SchedulerName = "model"

    def choose_controls(self, kinds: Sequence[ControlKind]) -> tuple[ControlWeights, ...]:
        """What steers by these kinds: a network for each, a union for all, or the transformer for one.

        Raises ConfigError where there is no such control, and where one is needed and not asked for.
        """
        own = [each for each in self.controls if each.form == "transformer"]
        if own and list(kinds) != [own[0].kind]:
            raise ConfigError(
                f"{self.weights.name} is asked with a condition, always and with one",
                seen=", ".join(kinds) or "none",
                allowed=str(own[0].kind),
            )
        if own or not kinds:
            return tuple(own)
        by_kind = {each.kind: each for each in self.controls if each.form == "controlnet"}
        if len(set(kinds)) == len(kinds) and by_kind.keys() >= set(kinds):
            return tuple(by_kind[kind] for kind in kinds)
        union = next((each for each in self.controls if each.form == "union"), None)
        if union is None:
            missing = next((kind for kind in kinds if kind not in by_kind), kinds[0])
            raise ConfigError(
                "the teacher has no control for a condition",
                seen=", ".join(kinds),
                allowed=", ".join(sorted(map(str, by_kind))) or "none: it names no controls",
                mend=f"Add one of kind {missing} to teacher.controls.",
            )
        for kind in kinds:
            require_control(self.weights.family, "union", kind)
        return (union,)


@dataclass(slots=True)
class DevicePipeline:
    """A loaded pipeline. Of one thread alone."""

    spec: PipelineSpec
    device: str
    parts: dict[str, Any] = field(default_factory=dict)
    nets: dict[int, Any] = field(default_factory=dict)
    ready: dict[tuple[int, ...], Any] = field(default_factory=dict)
    active: tuple[int, ...] | None = None

    def load(self) -> None:
        """Load every part. Raises ModelError for weights that do not fit together, TeacherError where there
        is no room for them.
        """
        import diffusers
        import torch

        silence_libraries()
        family = FAMILIES[self.spec.weights.family]
        plain = self.spec.weights.class_name
        if plain not in {family.classes[None], family.classes.get("transformer")}:
            plain = str(family.classes[None])
        try:
            loaded = self._read(plain, self.spec.weights)
            if self.spec.scheduler != "model":
                maker, given = SCHEDULERS[self.spec.scheduler]
                loaded.scheduler = getattr(diffusers, maker).from_config(loaded.scheduler.config, **given)
            self._load_loras(loaded)
            for number, control in enumerate(self.spec.controls):
                if control.weights is not None:
                    self.nets[number] = self._read(control.weights.class_name, control.weights)
        except (torch.OutOfMemoryError, MemoryError) as exc:
            raise no_room(self.device, "the weights do not fit") from exc
        # what these libraries raise of files that do not fit together is of many kinds
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as exc:
            raise ModelError(
                f"{self.spec.weights.name} cannot be loaded",
                seen=" ".join(f"{type(exc).__name__}: {exc}".split())[:300],
                mend="Fetch its folder again, and check that controls and LoRA are for this model.",
            ) from exc
        self.parts = {**loaded.components}
        if plain == family.classes.get("transformer"):
            self.ready[()] = self._place(loaded)

    def unload(self) -> None:
        """Let go of everything that was loaded."""
        self.parts, self.nets, self.ready, self.active = {}, {}, {}, None
        gc.collect()
        if self.device != "cpu":
            import torch

            torch.cuda.empty_cache()

    def make(self, requests: Sequence[ImageRequest]) -> list[MadeImage]:
        """The images of requests of one shape, in one call.

        Raises OutOfMemory where they do not fit, TeacherError for what the pipeline refuses.
        """
        import torch

        began = time.perf_counter()
        first = requests[0]
        kinds = [each.kind for each in first.conditions]
        controls = self.spec.choose_controls(kinds)
        pipeline = self._find(controls)
        arguments: dict[str, Any] = {
            "prompt": [each.prompt for each in requests],
            "width": first.width,
            "height": first.height,
            "num_inference_steps": first.steps,
            "guidance_scale": first.guidance,
            "generator": [torch.Generator("cpu").manual_seed(each.seed) for each in requests],
            "output_type": "np",
            **(steer(self.spec.weights.family, controls[0].form, requests) if controls else {}),
        }
        if first.negative_prompt is not None:
            arguments["negative_prompt"] = [each.negative_prompt for each in requests]
        try:
            with self._seeded(first.seed):
                found = pipeline(**arguments).images
        except (torch.OutOfMemoryError, MemoryError) as exc:
            raise OutOfMemory(str(exc)) from exc
        except RuntimeError as exc:
            if "allocate memory" in str(exc):
                raise OutOfMemory(str(exc)) from exc
            raise _refused(self.spec, exc) from exc
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as exc:
            raise _refused(self.spec, exc) from exc
        seconds = (time.perf_counter() - began) / len(requests)
        return [_finish(each, seconds) for each in found]

    def limit(self, requests: Sequence[ImageRequest]) -> int:
        """How many of these requests one call takes: one where several networks of SDXL steer."""
        kinds = [each.kind for each in requests[0].conditions]
        controls = self.spec.choose_controls(kinds)
        several = len(controls) > 1 and self.spec.weights.family == "sdxl"
        return 1 if several else len(requests)

    @contextlib.contextmanager
    def _seeded(self, seed: int) -> Iterator[None]:
        """The device's own random numbers from this seed on, and then what they were: the pipelines of FLUX.1
        and SD3.5 draw the latents of a condition from them, and take no generator for it.
        """
        import torch

        if self.device == "cpu":
            generator = torch.default_generator
        else:
            generator = torch.cuda.default_generators[torch.device(self.device).index or 0]
        before = generator.get_state()
        generator.manual_seed(seed)
        try:
            yield
        finally:
            generator.set_state(before)

    def _read(self, class_name: str, weights: CheckedWeights) -> Any:
        import diffusers
        import torch

        return getattr(diffusers, class_name).from_pretrained(
            weights.path,
            torch_dtype=getattr(torch, self.spec.dtype),
            variant=weights.variant,
            local_files_only=True,
            use_safetensors=None if weights.pickled else True,
        )

    def _load_loras(self, pipeline: Any) -> None:
        if not self.spec.loras:
            return
        for number, lora in enumerate(self.spec.loras):
            pipeline.load_lora_weights(
                lora.path.parent, weight_name=lora.path.name, adapter_name=f"lora_{number}"
            )
        names = [f"lora_{number}" for number in range(len(self.spec.loras))]
        pipeline.set_adapters(names, [lora.scale for lora in self.spec.loras])

    def _find(self, controls: tuple[ControlWeights, ...]) -> Any:
        """The pipeline of the class that these controls need, with the parts that are loaded."""
        import diffusers

        key = tuple(self.spec.controls.index(each) for each in controls if each.weights is not None)
        if key not in self.ready:
            family = FAMILIES[self.spec.weights.family]
            form = controls[0].form if controls else None
            nets = [self.nets[number] for number in key]
            maker = getattr(diffusers, family.classes[form])
            taken = inspect.signature(maker.__init__).parameters
            parts = {name: part for name, part in self.parts.items() if name in taken}
            if nets:
                parts["controlnet"] = self._join(nets, controls)
            self.ready[key] = self._place(maker(**parts))
        elif self.spec.offload != "none" and self.active != key:
            self._offload(self.ready[key])
        self.active = key
        return self.ready[key]

    def _join(self, nets: list[Any], controls: tuple[ControlWeights, ...]) -> Any:
        if self.spec.weights.family == "flux" and controls[0].form == "union":
            from diffusers.models.controlnets.controlnet_flux import FluxMultiControlNetModel

            return FluxMultiControlNetModel(nets)
        return nets[0] if len(nets) == 1 else nets

    def _place(self, pipeline: Any) -> Any:
        pipeline.set_progress_bar_config(disable=True)
        if self.spec.vae_tiling:
            pipeline.vae.enable_tiling()
            pipeline.vae.enable_slicing()
        if self.spec.offload == "none":
            return pipeline.to(self.device)
        self._offload(pipeline)
        return pipeline

    def _offload(self, pipeline: Any) -> None:
        pipeline.remove_all_hooks()
        if self.spec.offload == "model":
            pipeline.enable_model_cpu_offload(device=self.device)
        else:
            pipeline.enable_sequential_cpu_offload(device=self.device)


class OutOfMemory(Exception):
    """The device has no room for a call; fewer images at a time may fit."""


def silence_libraries() -> None:
    """No progress bars and no advice: whoever runs a recipe sees its own progress, and errors are raised."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()


def no_room(device: str, what: str) -> TeacherError:
    """What to raise where not even one image fits."""
    return TeacherError(
        f"{device} is out of memory: {what}",
        mend="Every finished batch is kept. Set offload: model or sequential, vae_tiling: true, a "
        "smaller dtype or a smaller size, and run again.",
    )


def _refused(spec: PipelineSpec, exc: Exception) -> TeacherError:
    return TeacherError(
        f"the pipeline {spec.weights.name} refuses what it is asked",
        seen=" ".join(f"{type(exc).__name__}: {exc}".split())[:300],
        mend="Check that its controls and LoRA are for this model.",
    )


def _finish(image: Any, seconds: float) -> MadeImage:
    """Values of 0 to 1 as pixels; what is no number is a failure, and no black image."""
    if not np.isfinite(image).all():
        return MadeImage(None, "the pipeline gave no numbers (NaN): its dtype may be too narrow", seconds)
    return MadeImage((image * 255).round().astype(np.uint8), None, seconds)
