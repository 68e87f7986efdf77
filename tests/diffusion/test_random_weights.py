from pathlib import Path

import pytest

from synth_stack.diffusion.random_weights import write_random_controlnet, write_random_pipeline
from synth_stack.diffusion.weights import WeightsFolder

pytestmark = [pytest.mark.diffusion, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path: Path) -> None:
    digests = [
        WeightsFolder(write_random_pipeline(tmp_path / str(n), "sdxl", seed=seed), "m")
        .check_pipeline()
        .digest
        for n, seed in enumerate((1, 1, 2))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_what_a_family_has_not_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only flux"):
        write_random_pipeline(tmp_path / "a", "sd3", control=True)
    with pytest.raises(ValueError, match="no union networks"):
        write_random_controlnet(tmp_path / "b", "sd3", union=True)
