import hashlib
from pathlib import Path

import pytest

from synth_stack.diffusion.weights import WeightsFolder, check_lora
from synth_stack.errors import ConfigError, ModelError
from tests.diffusion.diffusers_folder import SDXL, write_json, write_sdxl


def test_every_file_that_is_loaded_is_digested_and_no_other(tmp_path: Path) -> None:
    folder = write_sdxl(tmp_path / "m")
    (folder / "README.md").write_text("x")
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"h")
    found = WeightsFolder(folder, "m").check_pipeline()
    assert (found.family, found.class_name, found.pickled) == ("sdxl", "StableDiffusionXLPipeline", False)
    assert sorted(found.files) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    ]
    assert found.files["text_encoder/model.safetensors"] == hashlib.sha256(b"t").hexdigest()
    (folder / "text_encoder" / "model.safetensors").write_bytes(b"other")
    assert WeightsFolder(folder, "m").check_pipeline().digest != found.digest


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("model_index.json", "m lacks model_index.json"),
        ("unet/config.json", "m lacks unet/config.json"),
        ("unet/diffusion_pytorch_model.safetensors", "lacks unet/diffusion_pytorch_model.safetensors"),
        ("scheduler/scheduler_config.json", "lacks scheduler/scheduler_config.json"),
        ("tokenizer/tokenizer_config.json", "lacks tokenizer/tokenizer_config.json"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, gone: str, said: str) -> None:
    folder = write_sdxl(tmp_path / "m")
    (folder / gone).unlink()
    with pytest.raises(ModelError, match=said):
        WeightsFolder(folder, "m").check_pipeline()


def test_a_missing_shard_is_named_and_a_shard_is_a_file_of_the_folder(tmp_path: Path) -> None:
    folder = write_sdxl(tmp_path / "m")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    write_json(index, {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})
    (folder / "unet" / "one.safetensors").write_bytes(b"1")
    with pytest.raises(ModelError, match=r"lacks unet/two.safetensors") as raised:
        WeightsFolder(folder, "m").check_pipeline()
    assert "1 of 2 shards" in str(raised.value)
    (folder / "unet" / "two.safetensors").write_bytes(b"2")
    assert "unet/two.safetensors" in WeightsFolder(folder, "m").check_pipeline().files
    write_json(index, {"weight_map": {"a": "../../secret.safetensors"}})
    with pytest.raises(ModelError, match="names no shards"):
        WeightsFolder(folder, "m").check_pipeline()


def test_a_pickle_is_refused_unless_its_digest_is_pinned(tmp_path: Path) -> None:
    folder = write_sdxl(tmp_path / "m")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    name = "unet/diffusion_pytorch_model.bin"
    with pytest.raises(ModelError, match="pickle, which runs code"):
        WeightsFolder(folder, "m").check_pipeline()
    with pytest.raises(ModelError, match="not the one that was pinned"):
        WeightsFolder(folder, "m", pickles={name: "0" * 64}).check_pipeline()
    pinned = {name: hashlib.sha256(b"pickle").hexdigest()}
    assert WeightsFolder(folder, "m", pickles=pinned).check_pipeline().pickled
    with pytest.raises(ModelError, match="loads no pickle of that name"):
        WeightsFolder(write_sdxl(tmp_path / "n"), "n", pickles=pinned).check_pipeline()


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("unet", ["os", "system"], "something else than diffusers and transformers"),
        ("unet", ["diffusers", "FluxTransformer2DModel"], "SDXL has no use for"),
        ("scheduler", ["diffusers", "UNet2DConditionModel"], "SDXL has no use for"),
        ("../unet", ["diffusers", "UNet2DConditionModel"], "name that is none"),
        ("unet", ["diffusers", 5], "something else"),
    ],
)
def test_an_index_that_names_other_code_is_refused(
    tmp_path: Path, part: str, value: list[object], said: str
) -> None:
    folder = write_sdxl(tmp_path / "m")
    write_json(folder / "model_index.json", {"_class_name": "StableDiffusionXLPipeline", **SDXL, part: value})
    with pytest.raises(ModelError, match=said):
        WeightsFolder(folder, "m").check_pipeline()


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_an_index_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_sdxl(tmp_path / "m")
    (folder / "model_index.json").write_text(text)
    with pytest.raises(ModelError, match=r"m/model_index.json is no"):
        WeightsFolder(folder, "m").check_pipeline()


def test_a_pipeline_of_no_family_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    folder = write_sdxl(tmp_path / "m")
    write_json(folder / "model_index.json", {"_class_name": "KandinskyPipeline"})
    with pytest.raises(ConfigError, match="KandinskyPipeline") as raised:
        WeightsFolder(folder, "m").check_pipeline()
    assert "SDXL, FLUX.1, SD3.5" in str(raised.value)


def test_a_controlnet_is_one_of_its_family(tmp_path: Path) -> None:
    write_json(tmp_path / "c" / "config.json", {"_class_name": "ControlNetModel"})
    (tmp_path / "c" / "diffusion_pytorch_model.safetensors").write_bytes(b"c")
    found = WeightsFolder(tmp_path / "c", "c")
    assert found.check_controlnet("sdxl", union=False).class_name == "ControlNetModel"
    with pytest.raises(ModelError, match=r"not a ControlNet of SD3\.5"):
        found.check_controlnet("sd3", union=False)
    with pytest.raises(ModelError, match="not a union ControlNet of SDXL"):
        found.check_controlnet("sdxl", union=True)
    write_json(tmp_path / "c" / "config.json", {"_class_name": "FluxControlNetModel", "num_mode": None})
    with pytest.raises(ModelError, match="for one kind of condition"):
        found.check_controlnet("flux", union=True)


def test_lora_weights_are_a_safetensors_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"l")
    assert check_lora(tmp_path / "a.safetensors") == hashlib.sha256(b"l").hexdigest()
    (tmp_path / "a.bin").write_bytes(b"l")
    for name in ("a.bin", "b.safetensors"):
        with pytest.raises(ModelError, match="LoRA weights"):
            check_lora(tmp_path / name)
