"""Run the recipe in this folder on small random weights and a drawn set: python try_it.py [FOLDER].

What the recipe reads is written to FOLDER (runs/image_balance), beside a copy of it. Where models/ is there
already, or the teacher's line names real weights, these are used.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import synth_stack
from synth_stack.diffusion.random_weights import write_random_controlnet, write_random_pipeline

HERE = Path(__file__).parent
COUNTS = {("car", "day"): 12, ("car", "night"): 5, ("bus", "day"): 8, ("bus", "night"): 2, ("tram", "day"): 3}
"""Images of the drawn set by class and time of day; of trams at night there is none."""


def draw_scene(seed: int, night: bool) -> Image.Image:
    """A street of blocks under a sky, another one for each seed."""
    rng = np.random.default_rng(seed)
    sky, ground = (25, 50) if night else (200, 110)
    pixels = np.full((96, 128, 3), sky, np.int16)
    pixels[60:] = ground
    for _ in range(9):
        left, top = rng.integers(0, 110), rng.integers(10, 70)
        width, height = rng.integers(8, 30), rng.integers(8, 30)
        pixels[top : top + height, left : left + width] = rng.integers(20, 236, 3)
    grain = rng.integers(-12, 13, pixels.shape)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def write_real(folder: Path) -> None:
    """The set: a folder a class, and a line of metadata an image."""
    lines = []
    for (name, time), count in COUNTS.items():
        for number in range(count):
            file = folder / name / time / f"{number:02d}.png"
            make_folder(file.parent)
            seed = int.from_bytes(f"{name} {time} {number}".encode()[:8].ljust(8), "big") + number
            draw_scene(seed, time == "night").save(file)
            lines.append({"file_name": file.relative_to(folder).as_posix(), "label": name, "time": time})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def make_folder(folder: Path) -> Path:
    """The folder, which is there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main(folder: Path) -> None:
    """Write what the recipe reads, run it, and print the slices before and after."""
    make_folder(folder)
    for name in ("recipe.yaml", "gates.yaml", "seeds.jsonl"):
        if not (folder / name).exists():
            shutil.copyfile(HERE / name, folder / name)
    if not (folder / "models").exists():
        write_random_pipeline(folder / "models" / "sdxl", "sdxl")
        write_random_controlnet(folder / "models" / "canny", "sdxl")
    if not (folder / "real").exists():
        write_real(folder / "real")
        for number in range(6):
            draw_scene(number, night=True).save(make_folder(folder / "scenes") / f"{number}.png")
    result = synth_stack.run(folder / "recipe.yaml", folder / "run")
    print(f"{'slice':<12}{'before':>8}{'planned':>9}{'accepted':>10}{'after':>7}")
    for each in result.balance:
        print(f"{each.slice:<12}{each.before:>8}{each.planned:>9}{each.accepted:>10}{each.after:>7}")
    print(f"pack {result.pack.path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/image_balance"))
