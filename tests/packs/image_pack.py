"""A pack of a few images, made as users make one: a folder curated and packed."""

import hashlib
from pathlib import Path

from synth_stack.packs.signers import local_signer
from synth_stack.packs.write import write_pack
from synth_stack.workflows.curate import curate
from tests.picture_rows import draw_picture, save

GATES = "version: 1\ngates:\n  - {use: image_quality, why: a broken image teaches nothing}\n"
SLICES = {"cats": (1, 2, 3), "dogs": (4, 5)}


def curate_images(folder: Path) -> Path:
    """The run of a folder of five good images and one that is no image."""
    for name, seeds in SLICES.items():
        (folder / "photos" / name).mkdir(parents=True)
        for seed in seeds:
            (folder / "photos" / name / f"{seed}.png").write_bytes(save(draw_picture(seed)))
    (folder / "photos" / "dogs" / "broken.png").write_bytes(b"no image")
    (folder / "gates.yaml").write_text(GATES)
    curate(folder / "photos", folder / "gates.yaml", folder / "run")
    return folder / "run"


def pack_images(folder: Path) -> Path:
    """The pack of that run, its key beside it."""
    run = curate_images(folder)
    write_pack(run, folder / "pack", signer=local_signer(folder / "key.pem"))
    return folder / "pack"


def name_picture(seed: int) -> str:
    """Where a pack has the picture of that seed."""
    digest = hashlib.sha256(save(draw_picture(seed))).hexdigest()
    return f"images/{digest[:2]}/{digest}.png"
