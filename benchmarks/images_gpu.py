"""What making images by a recipe costs beside the pipeline alone: images a second, and the share of them.

    python benchmarks/images_gpu.py              small random weights: a test of this code
    python benchmarks/images_gpu.py --model MODEL --steps 30 --at-once 8 --count 64

MODEL is a folder of SDXL, FLUX.1 or SD3.5 in the layout of diffusers. Both sides make the same images on the
first GPU, or the CPU: diffusers called alone, and a recipe of `text_to_image` with its rows committed,
every image written and digested. What is loaded once is left out: each is timed over COUNT images less
over a quarter of them. With small weights an image takes a hundredth of a second, so their share says
nothing; what is added to each image, in milliseconds, does.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch

import synth_stack
from synth_stack.diffusion.device_pipeline import silence_libraries
from synth_stack.diffusion.random_weights import write_random_pipeline
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.canonical import canonical_text

PROMPT = "a photograph of a street at dusk"
MOST_LOST = 0.03
"""Of the pipeline's own throughput."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What both sides are asked for."""

    model: Path
    device: str
    side: int
    steps: int
    at_once: int


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--side", type=int)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--count", type=int, default=16)
    given = parser.parse_args(argv)
    silence_libraries()
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = given.model or write_random_pipeline(folder / "random", "sdxl")
        side = given.side or (1024 if given.model else 64)
        name = torch.cuda.get_device_name() if device != "cpu" else "the CPU"
        asked = Asked(model, device, side, given.steps, given.at_once)
        print(f"{name}; {given.count} images of {side} x {side}, {given.steps} steps, {given.at_once} a call")
        alone = time_more(lambda n: run_alone(asked, n), given.count)
        recipe = write_recipe(folder, asked)
        through = time_more(lambda n: run_recipe(recipe, folder / f"run{n}", n), given.count)
    added, share = through - alone, alone / through
    print(f"diffusers alone   {1 / alone:8.2f} images/s")
    print(f"by a recipe       {1 / through:8.2f} images/s, {share:.1%}, {1000 * added:.0f} ms more an image")
    if given.model:
        said = "within" if added <= MOST_LOST * through else "beyond"
        print(f"{said} the {MOST_LOST:.0%} that may be lost")


def time_more(run: Callable[[int], None], count: int) -> float:
    """Seconds an image, of `count` images less a quarter of them. Raises SystemExit where noise is longer."""
    few = max(1, count // 4)
    taken = []
    for number in (few, count):
        started = time.perf_counter()
        run(number)
        taken.append(time.perf_counter() - started)
    if taken[1] <= taken[0]:
        raise SystemExit(f"{count} images take no longer than {few}: ask for more with --count")
    return (taken[1] - taken[0]) / (count - few)


def run_alone(asked: Asked, count: int) -> None:
    """The images as diffusers makes them, loaded anew as the recipe does."""
    import diffusers

    index = orjson.loads((asked.model / "model_index.json").read_bytes())
    dtype = torch.float32 if asked.device == "cpu" else torch.bfloat16
    maker: Any = getattr(diffusers, index["_class_name"])
    pipeline = maker.from_pretrained(asked.model, dtype=dtype).to(asked.device)
    pipeline.set_progress_bar_config(disable=True)
    for first in range(0, count, asked.at_once):
        some = range(first, min(count, first + asked.at_once))
        pipeline(
            prompt=[PROMPT] * len(some),
            width=asked.side,
            height=asked.side,
            num_inference_steps=asked.steps,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in some],
            output_type="np",
        )


def write_recipe(folder: Path, asked: Asked) -> Path:
    """A recipe that makes these images."""
    seeds = "".join(canonical_text({"text": "a street at dusk", "id": str(n)}) + "\n" for n in range(4))
    (folder / "seeds.jsonl").write_text(seeds)
    gates = {"version": 1, "gates": [{"use": "image_quality", "why": "what cannot be read"}]}
    (folder / "gates.yaml").write_text(canonical_text(gates))  # JSON is YAML too
    teacher = {
        "use": "diffusion",
        "model": str(asked.model.resolve()),
        "license": "LicenseRef-measured",
        "devices": [asked.device],
        "images_at_once": asked.at_once,
        "threads": torch.get_num_threads(),
    }
    method = {
        "use": "text_to_image",
        "prompt": "a photograph of {{ seed }}",
        "width": asked.side,
        "height": asked.side,
        "steps": asked.steps,
    }
    told = {
        "version": 1,
        "name": "images_gpu",
        "about": "images whose making is timed",
        "seed": 1,
        "seeds": {"path": "seeds.jsonl", "text_column": "text", "id_column": "id"},
        "teacher": teacher,
        "generate": {
            "candidates": 1,
            "batch_rows": 4 * asked.at_once,
            "methods": [method],
        },
        "gates": "gates.yaml",
        "pack": {
            "pretty_name": "Timed",
            "license": "CC0-1.0",
            "languages": ["en"],
            "known_biases": ["None."],
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(canonical_text(told))
    return path


def run_recipe(recipe: Path, folder: Path, count: int) -> None:
    """The first stage of the recipe: every image made, and committed with its row."""
    synth_stack.generate(load_recipe(recipe, {"generate.candidates": count}), folder)


if __name__ == "__main__":
    main()
