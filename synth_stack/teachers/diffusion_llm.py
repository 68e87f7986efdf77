"""The distilabel LLM of the diffusion teacher: what it is loaded from, and how it is asked."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from synth_stack.diffusion.device_pipeline import ControlWeights, Lora, PipelineSpec
from synth_stack.diffusion.device_pool import DevicePool
from synth_stack.diffusion.families import FAMILIES, Family, require_control
from synth_stack.diffusion.hub_snapshot import find_weights_folder, name_weights
from synth_stack.diffusion.requests import DType, ImageRequest, MadeImage, Offload, SchedulerName
from synth_stack.diffusion.weights import CheckedWeights, WeightsFolder, check_lora
from synth_stack.errors import ConfigError, MissingExtra, ModelError
from synth_stack.rows.canonical import digest_json
from synth_stack.teachers.openai_llm import SharedLLM

if TYPE_CHECKING:
    from synth_stack.teachers.diffusion import ControlUse, LoraUse

LIBRARIES = ("diffusers", "transformers", "torch", "peft", "pillow", "opencv-python-headless")
"""Whose versions change what comes out."""
MAX_SIDE = 4096
"""Of an image: beyond it no published model of these families has been trained."""


class DiffusionLLM(SharedLLM):
    """Makes images and writes no text; see `diffusion` for its parameters."""

    name: str
    weights: list[dict[str, Any]]

    _spec: PipelineSpec = PrivateAttr()
    _pool: DevicePool = PrivateAttr()

    @property
    def model_name(self) -> str:
        return self.name

    @property
    def family(self) -> Family:
        return FAMILIES[self._spec.weights.family]

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Nothing to keep: no prompt is sent."""

    def load(self) -> None:
        super().load()
        self._pool.load()

    def unload(self) -> None:
        self._pool.unload()
        super().unload()

    def require(self, request: ImageRequest) -> None:
        """Raises ConfigError for a size that the family does not make, and for what no control takes."""
        multiple = self.family.multiple
        for name, side in (("width", request.width), ("height", request.height)):
            if side % multiple or not multiple <= side <= MAX_SIDE:
                raise ConfigError(
                    f"{self.family.title} makes no images of that {name}",
                    seen=side,
                    allowed=f"multiples of {multiple} up to {MAX_SIDE}",
                )
        if request.negative_prompt is not None and not self.family.negative:
            raise ConfigError(
                f"{self.family.title} takes no negative prompt: its guidance is distilled",
                mend="Leave negative_prompt out.",
            )
        controls = self._spec.choose_controls([each.kind for each in request.conditions])
        if controls and controls[0].form == "transformer":
            told = request.conditions[0]
            if (told.scale, told.start, told.end) != (1.0, 0.0, 1.0):
                raise ConfigError(
                    f"{self.name} takes its condition whole: it is part of the model",
                    seen=f"scale {told.scale:g}, from {told.start:g} to {told.end:g}",
                    allowed="scale 1, from 0 to 1",
                )

    def make_images(self, requests: Sequence[ImageRequest]) -> Sequence["Future[list[MadeImage]]"]:
        """The images of the requests in order; from any thread."""
        return self._pool.make(requests)

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        raise ConfigError(
            f"{self.name} makes images and writes no text",
            mend="Use the method `text_to_image`; what writes its prompts is models.rewriter.",
        )


def make_diffusion(
    *,
    model: str,
    licence: str,
    revision: str | None,
    variant: str | None,
    controls: Sequence["ControlUse"],
    loras: Sequence["LoraUse"],
    scheduler: SchedulerName,
    dtype: DType | None,
    offload: Offload,
    vae_tiling: bool,
    devices: Sequence[str] | None,
    images_at_once: int,
    threads: int,
    pickles: Mapping[str, str],
) -> DiffusionLLM:
    """The teacher of these parameters, every file of it found and digested. Raises as `diffusion` does."""
    _require_libraries()
    name = name_weights(model, revision)
    folder = find_weights_folder(model, revision, where="teacher.model", pickles=bool(pickles))
    base = WeightsFolder(folder, name, variant, pickles).check_pipeline()
    _check_fit(base, controls, scheduler)
    steering = [_check_control(base, number, each) for number, each in enumerate(controls)]
    added = [Lora(Path(each.path).name, Path(each.path), each.scale) for each in loras]
    weights = [
        _describe("base", base, licence),
        *(
            _describe(f"control:{each.kind or each.form}", each.weights, use.license)
            for each, use in zip(steering, controls, strict=True)
            if each.weights is not None
        ),
        *(_describe_lora(each) for each in loras),
    ]
    chosen = list(devices) if devices else _find_devices()
    on_cpu = chosen == ["cpu"]
    if "cpu" in chosen and not on_cpu:
        raise ConfigError(
            "teacher.devices: a CPU beside GPUs would only be waited for", seen=", ".join(chosen)
        )
    if on_cpu and offload != "none":
        raise ConfigError(
            "teacher.offload moves weights from a GPU to the CPU, and there is no GPU", seen=offload
        )
    dtype = dtype or ("float32" if on_cpu else "bfloat16")
    spec = PipelineSpec(base, tuple(steering), tuple(added), dtype, offload, vae_tiling, scheduler)
    pool = DevicePool(spec, chosen, images_at_once, threads if on_cpu else None)
    made = DiffusionLLM(
        name=name,
        weights=weights,
        digest=digest_json([[each["part"], each["digest"], each.get("scale")] for each in weights]),
        replayable=on_cpu and threads == 1 and images_at_once == 1,
        concurrency=len(chosen) * images_at_once,
        sampling={
            "device": _name_devices(chosen),
            "threads": threads if on_cpu else None,
            "images_at_once": images_at_once,
            "dtype": dtype,
            "offload": offload,
            "vae_tiling": vae_tiling,
            "scheduler": scheduler,
            "libraries": _list_versions(),
        },
    )
    made._spec, made._pool = spec, pool
    return made


def _check_fit(base: CheckedWeights, controls: Sequence["ControlUse"], scheduler: SchedulerName) -> None:
    """Raises ConfigError for controls and a scheduler that are not of this pipeline."""
    family = FAMILIES[base.family]
    own = base.class_name == family.classes.get("transformer")
    if own != any(each.form == "transformer" for each in controls):
        raise ConfigError(
            f"{base.name} {'is' if own else 'is not'} a pipeline whose transformer takes a condition",
            seen=base.class_name,
            allowed="controls: [{form: transformer, kind: depth}]" if own else "controls of other forms",
        )
    if scheduler != "model" and base.family != "sdxl":
        raise ConfigError(
            f"{family.title} has the scheduler that it was trained with", seen=scheduler, allowed="model"
        )
    kinds = [(each.form, each.kind) for each in controls]
    twice = next((each for each in kinds if kinds.count(each) > 1), None)
    if twice is not None:
        raise ConfigError("teacher.controls has two of one kind", seen=" ".join(filter(None, twice)))


def _check_control(base: CheckedWeights, number: int, use: "ControlUse") -> ControlWeights:
    where = f"teacher.controls[{number}]"
    if (use.kind is None) != (use.form == "union"):
        said = "is for several kinds" if use.form == "union" else "is for one kind"
        raise ConfigError(f"{where}: a control of form {use.form} {said}", seen=use.kind or "no kind")
    if use.kind is not None:
        require_control(base.family, use.form, use.kind)
    elif "union" not in FAMILIES[base.family].controls:
        family = FAMILIES[base.family]
        allowed = ", ".join(f"{form} ({', '.join(kinds)})" for form, kinds in family.controls.items())
        raise ConfigError(f"{family.title} takes no union", seen=where, allowed=allowed)
    if use.form == "transformer":
        if use.path is not None:
            raise ConfigError(f"{where}: a transformer is the pipeline's own", mend="Leave path out.")
        return ControlWeights(use.form, use.kind, None)
    if use.path is None or use.license is None:
        raise ConfigError(f"{where} needs the path of its weights and their license")
    name = name_weights(use.path, use.revision)
    folder = find_weights_folder(use.path, use.revision, where=f"{where}.path", pickles=bool(use.pickles))
    found = WeightsFolder(folder, name, use.variant, use.pickles)
    return ControlWeights(use.form, use.kind, found.check_controlnet(base.family, union=use.form == "union"))


def _describe(part: str, weights: CheckedWeights, licence: str | None) -> dict[str, Any]:
    return {
        "part": part,
        "name": weights.name,
        "license": licence,
        "digest": weights.digest,
        "files": dict(sorted(weights.files.items())),
    }


def _describe_lora(use: "LoraUse") -> dict[str, Any]:
    path, digest = Path(use.path), check_lora(Path(use.path))
    return {
        "part": "lora",
        "name": path.name,
        "license": use.license,
        "scale": repr(use.scale),
        "digest": digest,
        "files": {path.name: digest},
    }


def _require_libraries() -> None:
    for library in ("diffusers", "transformers", "torch"):
        try:
            version(library)
        except PackageNotFoundError as exc:
            raise MissingExtra(
                "images are made by diffusers",
                seen=f"{library} is not installed",
                mend="Run: pip install 'synth-stack[diffusion]'",
            ) from exc


def _list_versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _find_devices() -> list[str]:
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]


def _name_devices(devices: Sequence[str]) -> str:
    """The kind of the devices; no number of a slot, since another slot gives the same."""
    if devices == ["cpu"]:
        return "cpu"
    import torch

    if torch.cuda.device_count() <= max(int(device.partition(":")[2]) for device in devices):
        raise ModelError(
            "there is no such GPU", seen=", ".join(devices), allowed=f"{torch.cuda.device_count()} GPUs"
        )
    names = sorted({torch.cuda.get_device_name(device) for device in devices})
    return ", ".join(names)
