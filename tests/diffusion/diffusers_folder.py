"""Folders in the layout of diffusers whose weights are a few bytes: what is checked before anything is loaded."""

import json
from pathlib import Path

SDXL = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "image_encoder": [None, None],
}


def write_sdxl(folder: Path) -> Path:
    """A folder that is whole, as far as names go."""
    index = {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1", **SDXL}
    write_json(folder / "model_index.json", index)
    for part in ("unet", "text_encoder"):
        write_json(folder / part / "config.json", {})
    write_json(folder / "tokenizer" / "tokenizer_config.json", {})
    write_json(folder / "scheduler" / "scheduler_config.json", {})
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"u")
    (folder / "text_encoder" / "model.safetensors").write_bytes(b"t")
    return folder


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
