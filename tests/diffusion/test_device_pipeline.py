"""Pipelines of random weights: every family with every control, and what goes wrong."""

from pathlib import Path

import pytest

from synth_stack.diffusion.device_pipeline import Lora, PipelineSpec
from synth_stack.diffusion.families import FAMILIES, ControlKind, FamilyName
from synth_stack.diffusion.random_weights import write_random_pipeline
from synth_stack.diffusion.requests import Condition, ImageRequest
from synth_stack.diffusion.weights import WeightsFolder
from synth_stack.errors import ConfigError, ModelError
from tests.diffusion.random_models import FAMILY_NAMES, ask, make, make_spec, write_models

pytestmark = [
    pytest.mark.diffusion,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # diffusers warns of its own modules
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SINGLE = [(name, kind) for name in FAMILY_NAMES for kind in FAMILIES[name].controls["controlnet"]]
UNION = [(name, kind) for name in FAMILY_NAMES for kind in FAMILIES[name].controls.get("union", ())]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_the_same_noise_gives_the_same_image_to_the_bit_and_other_noise_another(
    models: Path, name: FamilyName
) -> None:
    spec = make_spec(models, name, None)
    first, second, third = make(spec, ask(1), ask(2), ask(1), at_once=1)
    assert first.shape == (64, 64, 3)
    assert (first == third).all()
    assert (first != second).any()
    assert (make(spec, ask(1), at_once=1)[0] == first).all()


@pytest.mark.parametrize(("name", "kind"), SINGLE)
def test_a_network_for_one_kind_steers_by_its_scale_and_its_picture(
    models: Path, name: FamilyName, kind: ControlKind
) -> None:
    spec = make_spec(models, name, "controlnet", (kind,))
    full, again, none, other = make(
        spec, ask(1, kind), ask(1, kind), ask(1, kind, scale=0.0), ask(1, kind, picture=6), at_once=1
    )
    assert (full == again).all()
    assert (full != none).any()
    assert (full != other).any()
    if name != "flux":  # whose plain class in diffusers has another schedule than the one with a network
        assert (make(spec, ask(1), at_once=1)[0] == none).all()


@pytest.mark.parametrize(("name", "kind"), UNION)
def test_a_union_steers_by_the_kind_that_it_is_told(
    models: Path, name: FamilyName, kind: ControlKind
) -> None:
    spec = make_spec(models, name, "union")
    first, again, none = make(spec, ask(1, kind), ask(1, kind), ask(1, kind, scale=0.0), at_once=1)
    assert (first == again).all()
    assert (first != none).any()
    others = [
        each
        for each in FAMILIES[name].controls["union"]
        if FAMILIES[name].union_modes[each] != FAMILIES[name].union_modes[kind]
    ]
    assert (make(spec, ask(1, others[0]), at_once=1)[0] != first).any()


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_several_conditions_steer_at_once_each_until_its_end(models: Path, name: FamilyName) -> None:
    spec = make_spec(models, name, "controlnet", ("canny", "depth"))
    both = ask(1, "canny", "depth")
    until = Condition("depth", both.conditions[1].pixels, 1.0, 0.0, 0.4)
    shorter = ImageRequest(both.prompt, 64, 64, 2, 3.0, 1, conditions=(both.conditions[0], until))
    first, second, short = make(spec, both, ask(2, "canny", "depth"), shorter)
    assert (first != second).any()
    assert (first != short).any()
    assert (make(spec, ask(1, "canny"), at_once=1)[0] != first).any()
    if FAMILIES[name].union_modes:
        assert len(make(make_spec(models, name, "union"), both, ask(2, "canny", "depth"))) == 2


@pytest.mark.parametrize("kind", FAMILIES["flux"].controls["transformer"])
def test_a_transformer_of_flux_takes_its_condition_itself(models: Path, kind: ControlKind) -> None:
    spec = make_spec(models, "flux", "transformer", (kind,))
    first, again, other = make(spec, ask(1, kind), ask(1, kind), ask(1, kind, picture=6), at_once=1)
    assert (first == again).all()
    assert (first != other).any()
    with pytest.raises(ConfigError, match="always and with one"):
        spec.choose_controls([])


def test_a_condition_without_a_control_is_refused(models: Path) -> None:
    spec = make_spec(models, "sdxl", "controlnet", ("canny",))
    with pytest.raises(ConfigError, match="Add one of kind depth"):
        spec.choose_controls(["canny", "depth"])


def test_lora_weights_change_the_image_by_their_scale(models: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    name = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    torch.manual_seed(0)
    weights = {f"{name}.lora_A.weight": torch.randn(4, 64), f"{name}.lora_B.weight": torch.randn(64, 4)}
    save_file(weights, tmp_path / "style.safetensors")
    file = tmp_path / "style.safetensors"
    plain, none, full = (
        make(make_spec(models, "sdxl", None, loras=added), ask(1))[0]
        for added in ((), (Lora("style", file, 0.0),), (Lora("style", file, 1.0),))
    )
    assert (plain == none).all()
    assert (plain != full).any()
    file.write_bytes(b"torn")
    with pytest.raises(ModelError, match="sdxl cannot be loaded"):
        make(make_spec(models, "sdxl", None, loras=(Lora("style", file, 1.0),)), ask(1))


def test_another_scheduler_and_tiling_are_taken(models: Path) -> None:
    own, other = (
        make(make_spec(models, "sdxl", None, scheduler=name), ask(1))[0] for name in ("model", "ddim")
    )
    assert (own != other).any()
    assert make(make_spec(models, "sd3", None, vae_tiling=True), ask(1))[0].shape == (64, 64, 3)


def test_torn_weights_are_refused_by_name(models: Path, tmp_path: Path) -> None:
    folder = write_random_pipeline(tmp_path / "m", "sdxl")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    spec = PipelineSpec(WeightsFolder(folder, "torn").check_pipeline())
    with pytest.raises(ModelError, match="torn cannot be loaded"):
        make(spec, ask(1))
