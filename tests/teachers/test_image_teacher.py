from pathlib import Path

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.registry import bind
from synth_stack.teachers.image_teacher import ImageTeacher
from tests.diffusion.diffusers_folder import write_sdxl


def test_a_teacher_of_images_is_told_from_one_of_texts(tmp_path: Path) -> None:
    params = {"model": str(write_sdxl(tmp_path / "m")), "license": "MIT", "devices": ["cpu"]}
    assert isinstance(bind("teacher", "diffusion", params, where="r").make(), ImageTeacher)
    assert not isinstance(bind("teacher", "scripted", {}, where="r").make(), ImageTeacher)
