from pathlib import Path

import pytest

from synth_stack.diffusion import device_pipeline
from synth_stack.diffusion.device_pipeline import OutOfMemory
from synth_stack.diffusion.device_pool import split_calls
from synth_stack.diffusion.random_weights import write_random_pipeline
from synth_stack.diffusion.requests import ImageRequest, MadeImage
from synth_stack.errors import TeacherError
from tests.diffusion.random_models import ask, make, make_spec

pytestmark = [
    pytest.mark.diffusion,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # diffusers warns of its own modules
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_pipeline(tmp_path_factory.mktemp("models") / "sdxl", "sdxl").parent


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A device with room for one image; how many each call asked it for."""
    asked: list[int] = []
    real = device_pipeline.DevicePipeline.make

    def make_few(self: device_pipeline.DevicePipeline, requests: list[ImageRequest]) -> list[MadeImage]:
        asked.append(len(requests))
        if len(requests) > ROOM[0]:
            raise OutOfMemory("CUDA out of memory")
        return real(self, requests)

    monkeypatch.setattr(device_pipeline.DevicePipeline, "make", make_few)
    ROOM[0] = 1
    return asked


ROOM = [1]


def test_without_room_fewer_images_are_asked_for_and_then_one_sentence_is_said(
    models: Path, crowded: list[int]
) -> None:
    spec = make_spec(models, "sdxl", None)
    assert len(make(spec, *[ask(n) for n in range(5)], at_once=4)) == 5
    assert crowded == [4, 2, 1, 1, 1, 1, 1]
    ROOM[0] = 0
    with pytest.raises(TeacherError, match="cpu is out of memory: it has no room for one image of 64 x 64"):
        make(spec, ask(1))


def test_each_device_has_a_worker_and_the_order_stays(models: Path) -> None:
    spec = make_spec(models, "sdxl", None)
    requests = [ask(n) for n in range(4)]
    one = make(spec, *requests, at_once=1)
    two = make(spec, *requests, at_once=1, devices=("cpu", "cpu"))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


def test_calls_are_neighbours_of_one_shape() -> None:
    larger = ImageRequest("x", 128, 64, 2, 3.0, 1)
    calls = split_calls([ask(1), ask(2), ask(3), larger, ask(4)], 2)
    assert [len(call) for call in calls] == [2, 1, 1, 1]
