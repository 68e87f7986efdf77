import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.diffusion.families import ControlKind
from synth_stack.diffusion.requests import Condition, ImageRequest
from synth_stack.errors import ConfigError, ModelError
from synth_stack.registry import bind
from synth_stack.teachers.teacher import require_teacher
from tests.diffusion.diffusers_folder import write_json, write_sdxl

BLACK = np.zeros((1, 1, 3), np.uint8)


def make(folder: Path, **more: Any) -> Any:
    params = {"model": str(folder), "license": "openrail++", "devices": ["cpu"], **more}
    return bind("teacher", "diffusion", params, where="r").make()


def write_controlnet(folder: Path, class_name: str = "ControlNetModel") -> dict[str, Any]:
    write_json(folder / "config.json", {"_class_name": class_name})
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"c")
    return {"path": str(folder), "license": "Apache-2.0"}


def ask(width: int = 64, height: int = 64, negative: str | None = None, *kinds: ControlKind) -> ImageRequest:
    told = tuple(Condition(kind, BLACK) for kind in kinds)
    return ImageRequest("a", width, height, 2, 3.0, 1, negative, told)


def test_it_says_what_it_is_loaded_from_and_how_it_runs(tmp_path: Path) -> None:
    (tmp_path / "style.safetensors").write_bytes(b"l")
    net = write_controlnet(tmp_path / "net")
    made = make(
        write_sdxl(tmp_path / "base"),
        controls=[{"kind": "canny", **net}],
        loras=[{"path": str(tmp_path / "style.safetensors"), "license": "CC0-1.0", "scale": 0.5}],
    )
    require_teacher("diffusion", made)
    assert [(each["part"], each["name"], each["license"]) for each in made.weights] == [
        ("base", "base", "openrail++"),
        ("control:canny", "net", "Apache-2.0"),
        ("lora", "style.safetensors", "CC0-1.0"),
    ]
    assert all(len(digest) == 64 for each in made.weights for digest in each["files"].values())
    assert (made.replayable, made.concurrency, made.model_name) == (True, 1, "base")
    assert (made.sampling["device"], made.sampling["threads"], made.sampling["dtype"]) == (
        "cpu",
        1,
        "float32",
    )
    assert "diffusers" in made.sampling["libraries"]
    assert str(tmp_path) not in repr((made.weights, made.sampling))


def test_other_weights_are_another_digest_and_other_scales_too(tmp_path: Path) -> None:
    base = write_sdxl(tmp_path / "base")
    (tmp_path / "l.safetensors").write_bytes(b"l")
    lora = {"path": str(tmp_path / "l.safetensors"), "license": "MIT"}
    digests = {
        make(base).digest,
        make(base, loras=[lora]).digest,
        make(base, loras=[{**lora, "scale": 0.5}]).digest,
    }
    assert len(digests) == 3


@pytest.mark.parametrize("more", [{"threads": 2}, {"images_at_once": 2}])
def test_more_than_one_at_a_time_is_not_replayable(tmp_path: Path, more: dict[str, int]) -> None:
    assert not make(write_sdxl(tmp_path / "base"), **more).replayable


@pytest.mark.parametrize(
    ("control", "said"),
    [
        ({"kind": "blur"}, "SDXL takes no blur"),
        ({"form": "union", "kind": "depth"}, "is for several kinds"),
        ({}, "is for one kind"),
        ({"form": "transformer", "kind": "depth"}, "is not a pipeline whose transformer takes a condition"),
        ({"kind": "canny", "license": None}, "needs the path of its weights and their license"),
        ({"kind": "canny", "path": "gone"}, "no folder of weights"),
    ],
)
def test_a_control_that_does_not_fit_is_refused(tmp_path: Path, control: dict[str, Any], said: str) -> None:
    told = {**write_controlnet(tmp_path / "net"), **control}
    with pytest.raises((ConfigError, ModelError), match=said):
        make(write_sdxl(tmp_path / "base"), controls=[told])


def test_a_network_of_another_family_is_refused(tmp_path: Path) -> None:
    net = write_controlnet(tmp_path / "net", "FluxControlNetModel")
    with pytest.raises(ModelError, match="not a ControlNet of SDXL"):
        make(write_sdxl(tmp_path / "base"), controls=[{"kind": "canny", **net}])


def test_two_controls_of_one_kind_are_refused(tmp_path: Path) -> None:
    net = {"kind": "canny", **write_controlnet(tmp_path / "net")}
    with pytest.raises(ConfigError, match="two of one kind"):
        make(write_sdxl(tmp_path / "base"), controls=[net, net])


def test_offload_without_a_gpu_and_a_cpu_beside_one_are_refused(tmp_path: Path) -> None:
    base = write_sdxl(tmp_path / "base")
    with pytest.raises(ConfigError, match="there is no GPU"):
        make(base, offload="model")
    with pytest.raises(ConfigError, match="a CPU beside GPUs"):
        make(base, devices=["cpu", "cuda:0"])


def test_a_request_that_cannot_be_taken_is_refused_before_it_is_made(tmp_path: Path) -> None:
    made = make(
        write_sdxl(tmp_path / "base"), controls=[{"kind": "canny", **write_controlnet(tmp_path / "net")}]
    )
    made.require(ask(64, 64, "blurred", "canny"))
    for request, said in [
        (ask(60), "no images of that width"),
        (ask(64, 8192), "no images of that height"),
        (ask(64, 64, None, "depth"), "no control for a condition"),
    ]:
        with pytest.raises(ConfigError, match=said):
            made.require(request)


def test_flux_takes_no_negative_prompt(tmp_path: Path) -> None:
    write_json(tmp_path / "f" / "model_index.json", {"_class_name": "FluxPipeline"})
    with pytest.raises(ConfigError, match=r"FLUX\.1 takes no negative prompt"):
        make(tmp_path / "f").require(ask(64, 64, "blurred"))
    with pytest.raises(ConfigError, match="scheduler that it was trained with"):
        make(tmp_path / "f", scheduler="ddim")


def test_it_writes_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="makes images and writes no text"):
        asyncio.run(make(write_sdxl(tmp_path / "base")).agenerate([{"role": "user", "content": "Hi"}]))
