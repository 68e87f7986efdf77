"""Small pipelines of random weights: what a recipe for images is tried out with, and tested.

They have every part of the real ones, of the same classes, with a few channels each. What they draw is noise.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth_stack.diffusion.families import FAMILIES, UNION_CLASS, ControlForm, FamilyName

_WIDTH = 32
"""Channels of text encoders and transformers: the fewest that their heads take."""


def write_random_pipeline(folder: Path, family: FamilyName, *, seed: int = 0, control: bool = False) -> Path:
    """`folder` with a pipeline of that family, the same files for the same seed.

    `control`: of FLUX.1, with a transformer that takes a condition beside the noise (FLUX.1 Depth, Canny).
    Raises ValueError for another family with `control`.
    """
    import diffusers
    import torch

    if control and family != "flux":
        raise ValueError(f"only flux has transformers that take a condition, and this is {family}")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = _make_sdxl() if family == "sdxl" else _make_flux(control) if family == "flux" else _make_sd3()
    form: ControlForm | None = "transformer" if control else None
    pipeline = getattr(diffusers, FAMILIES[family].classes[form])(**parts)
    pipeline.save_pretrained(folder)
    return folder


def write_random_controlnet(folder: Path, family: FamilyName, *, seed: int = 0, union: bool = False) -> Path:
    """`folder` with a ControlNet for the pipelines of `write_random_pipeline`.

    Raises ValueError for a `union` of a family that has none.
    """
    import diffusers
    import torch

    known = FAMILIES[family]
    if union and not known.union_modes:
        raise ValueError(f"{family} has no union networks")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if family == "sdxl":
            shape = _SDXL_UNION if union else {}
            maker = getattr(diffusers, UNION_CLASS if union else known.controlnet)
            net = maker(**_sdxl_shape(), conditioning_embedding_out_channels=(16, 32), **shape)
        elif family == "flux":
            modes = {"num_mode": max(known.union_modes.values()) + 1} if union else {}
            net = diffusers.FluxControlNetModel(**_FLUX_SHAPE, **modes)
        else:
            net = diffusers.SD3ControlNetModel(**_SD3_SHAPE)
        for weight in net.parameters():  # what a ControlNet adds starts at zero, and would do nothing
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.2)
    net.save_pretrained(folder)
    return folder


_SDXL_UNION: Mapping[str, Any] = {
    "num_control_type": 6,
    "num_trans_channel": 32,
    "num_trans_head": 2,
    "num_proj_channel": 32,
}
_FLUX_SHAPE: Mapping[str, Any] = {
    "patch_size": 1,
    "in_channels": 4,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": _WIDTH,
    "pooled_projection_dim": _WIDTH,
    "axes_dims_rope": [4, 4, 8],
}
_SD3_SHAPE: Mapping[str, Any] = {
    "sample_size": 32,
    "patch_size": 1,
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 1,
    "attention_head_dim": 8,
    "num_attention_heads": 4,
    "joint_attention_dim": _WIDTH,
    "caption_projection_dim": _WIDTH,
    "pooled_projection_dim": 2 * _WIDTH,
}


def _sdxl_shape() -> dict[str, Any]:
    return {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "in_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 1),
        "projection_class_embeddings_input_dim": 6 * 8 + _WIDTH,
        "cross_attention_dim": 2 * _WIDTH,
        "norm_num_groups": 8,
    }


def _make_sdxl() -> dict[str, Any]:
    import diffusers

    unet = diffusers.UNet2DConditionModel(
        sample_size=32,
        out_channels=4,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **_sdxl_shape(),
    )
    scheduler = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    return {
        "unet": unet,
        "scheduler": scheduler,
        "vae": _make_vae(),
        "text_encoder": _make_clip(projected=False),
        "text_encoder_2": _make_clip(projected=True),
        "tokenizer": _make_clip_tokenizer(),
        "tokenizer_2": _make_clip_tokenizer(),
    }


def _make_flux(control: bool) -> dict[str, Any]:
    import diffusers

    shape = {**_FLUX_SHAPE, "in_channels": 8, "out_channels": 4} if control else _FLUX_SHAPE
    return {
        "transformer": diffusers.FluxTransformer2DModel(**shape),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": _make_vae(latent_channels=1, shift_factor=0.06),
        "text_encoder": _make_clip(projected=False),
        "text_encoder_2": _make_t5(),
        "tokenizer": _make_clip_tokenizer(),
        "tokenizer_2": _make_t5_tokenizer(),
    }


def _make_sd3() -> dict[str, Any]:
    import diffusers

    return {
        # the last block takes no control, so that there are two
        "transformer": diffusers.SD3Transformer2DModel(**{**_SD3_SHAPE, "num_layers": 2}),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": _make_vae(shift_factor=0.06),
        "text_encoder": _make_clip(projected=True),
        "text_encoder_2": _make_clip(projected=True),
        "text_encoder_3": _make_t5(),
        "tokenizer": _make_clip_tokenizer(),
        "tokenizer_2": _make_clip_tokenizer(),
        "tokenizer_3": _make_t5_tokenizer(),
    }


def _make_vae(latent_channels: int = 4, shift_factor: float | None = None) -> Any:
    import diffusers

    return diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latent_channels,
        norm_num_groups=8,
        sample_size=64,
        shift_factor=shift_factor,
        scaling_factor=0.3,
    )


def _make_clip(*, projected: bool) -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        projection_dim=_WIDTH,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=514,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    maker = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return maker(config)


def _make_clip_tokenizer() -> Any:
    """One token a byte, at the end of a word another one (as CLIP's own vocabulary starts)."""
    import transformers
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def _make_t5() -> Any:
    import transformers

    return transformers.T5EncoderModel(
        transformers.T5Config(vocab_size=128, d_model=_WIDTH, d_kv=8, d_ff=_WIDTH, num_layers=1, num_heads=4)
    )


def _make_t5_tokenizer() -> Any:
    """One token a character of ASCII."""
    import transformers

    letters = [(chr(code), -3.0) for code in range(33, 127)]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), *letters]
    return transformers.T5TokenizerFast(vocab=vocab, unk_token="<unk>", extra_ids=0, model_max_length=77)  # noqa: S106
