"""What a teacher is that makes images and writes no text."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, runtime_checkable

from synth_stack.diffusion.families import Family
from synth_stack.diffusion.requests import ImageRequest, MadeImage


@runtime_checkable
class ImageTeacher(Protocol):
    """A teacher whose answers are images; the parts of `Teacher` say the rest of it."""

    @property
    def family(self) -> Family:
        """What it can be asked for."""

    @property
    def weights(self) -> Sequence[Mapping[str, Any]]:
        """Everything that it is loaded from: `part` (base, control:canny, lora), `name`, `license`, `digest`
        and `files`, the digests of its files by path.
        """

    def require(self, request: ImageRequest) -> None:
        """Raises ConfigError for a request that it cannot take: its size, or what is to steer it."""

    def make_images(self, requests: Sequence[ImageRequest]) -> Sequence["Future[list[MadeImage]]"]:
        """The images of the requests in order, some in each future; from any thread, once it is loaded."""
