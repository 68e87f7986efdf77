"""What times a recipe for images beside diffusers: both sides make the images, on small random weights."""

import time
from pathlib import Path

import pytest
from images_gpu import Asked, run_alone, run_recipe, time_more, write_recipe

from synth_stack.diffusion.random_weights import write_random_pipeline

pytestmark = [
    pytest.mark.diffusion,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_both_sides_make_as_many_images_as_are_timed(tmp_path: Path) -> None:
    asked = Asked(write_random_pipeline(tmp_path / "model", "sdxl"), "cpu", 64, 1, 2)
    run_alone(asked, 3)
    run_recipe(write_recipe(tmp_path, asked), tmp_path / "run", 3)
    assert len(list((tmp_path / "run" / "images").rglob("*.png"))) == 3


def test_seconds_are_of_the_images_between_a_quarter_and_all() -> None:
    assert time_more(lambda n: time.sleep(0.05 + n / 50), 8) == pytest.approx(0.02, rel=0.5)
    with pytest.raises(SystemExit, match="ask for more"):
        time_more(lambda n: time.sleep(0.2 / n), 8)
