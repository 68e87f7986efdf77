"""Models of random weights with a few channels, made in a folder: what they say means nothing."""

import json
from pathlib import Path


def write_tiny_clip(folder: Path) -> Path:
    """A CLIP of some ten thousand weights with a tokenizer of single letters."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{each}</w>" for each in letters)]
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    text = {
        **shape,
        "vocab_size": len(words),
        "max_position_embeddings": 16,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    vision = {**shape, "image_size": 32, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(
            folder
        )
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": words[0], "eos_token": words[1], "unk_token": words[1], "pad_token": words[1]}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", **special}))
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {"crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "size": {"shortest_edge": 32}}
        )
    )
    return folder


def write_tiny_depth(folder: Path) -> Path:
    """A DPT of some ten thousand weights."""
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation

    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = DPTConfig(
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=32,
            patch_size=8,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=8,
            head_in_index=-1,
        )
        DPTForDepthEstimation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 32, "width": 32}}))
    return folder


def write_tiny_detector(folder: Path, *, sure: bool = True) -> Path:
    """A YOLOS of two labels and some ten thousand weights, sure of all that it finds, or of nothing."""
    import torch
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

    with torch.random.fork_rng():
        torch.manual_seed(4)
        config = YolosConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=[32, 32],
            patch_size=8,
            num_detection_tokens=4,
            id2label={0: "person", 1: "car"},
        )
        model = YolosForObjectDetection(config)
        model.class_labels_classifier.layers[-1].bias.data[0 if sure else 2] += 4
        model.save_pretrained(folder)
    YolosImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def write_tiny_segmenter(folder: Path) -> Path:
    """A SegFormer of three labels and some ten thousand weights."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessorPil

    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = SegformerConfig(
            num_encoder_blocks=2,
            depths=[1, 1],
            sr_ratios=[2, 1],
            hidden_sizes=[8, 16],
            patch_sizes=[7, 3],
            strides=[4, 2],
            num_attention_heads=[1, 2],
            mlp_ratios=[1, 1],
            decoder_hidden_size=8,
            id2label={0: "road", 1: "sky", 2: "car"},
        )
        SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def write_tiny_pose(folder: Path, *, joints: int = 17) -> Path:
    """A ViTPose of some ten thousand weights, sure of every joint."""
    import torch
    from transformers import (
        VitPoseBackboneConfig,
        VitPoseConfig,
        VitPoseForPoseEstimation,
        VitPoseImageProcessorPil,
    )

    with torch.random.fork_rng():
        torch.manual_seed(6)
        backbone = VitPoseBackboneConfig(
            image_size=[64, 48],
            patch_size=[16, 16],
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
        )
        labels = {number: f"joint {number}" for number in range(joints)}
        model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, id2label=labels))
        model.head.conv.bias.data += 1
        model.save_pretrained(folder)
    VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(folder)
    return folder
