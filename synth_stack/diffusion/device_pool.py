"""One worker a device, each a thread with a pipeline of its own; requests go to whichever is free."""

import queue
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from synth_stack.diffusion.device_pipeline import DevicePipeline, OutOfMemory, PipelineSpec, no_room
from synth_stack.diffusion.requests import ImageRequest, MadeImage


@dataclass(slots=True)
class DevicePool:
    """Pipelines on devices. `images_at_once`: how many requests a call takes at most; halved, and kept so,
    where a device has no room for them. `threads` is what torch may use on a CPU.
    """

    spec: PipelineSpec
    devices: Sequence[str]
    images_at_once: int
    threads: int | None = None
    seconds: float = 0.0
    _free: "queue.SimpleQueue[DevicePipeline]" = field(default_factory=queue.SimpleQueue)
    _workers: ThreadPoolExecutor | None = None
    _loaded: list[DevicePipeline] = field(default_factory=list)
    _threads_before: int | None = None

    def load(self) -> None:
        """Load every pipeline; a second call changes nothing. Raises what `DevicePipeline.load` raises."""
        if self._workers is not None:
            return
        self._limit_threads()
        for device in self.devices:
            pipeline = DevicePipeline(self.spec, device)
            self._loaded.append(pipeline)
            pipeline.load()
            self._free.put(pipeline)
        self._workers = ThreadPoolExecutor(len(self.devices), "device")

    def unload(self) -> None:
        """Let go of the pipelines, and give torch its threads back."""
        if self._workers is not None:
            self._workers.shutdown()
            self._workers = None
        for pipeline in self._loaded:
            pipeline.unload()
        self._loaded, self._free = [], queue.SimpleQueue()
        if self._threads_before is not None:
            import torch

            torch.set_num_threads(self._threads_before)
            self._threads_before = None

    def make(self, requests: Sequence[ImageRequest]) -> list["Future[list[MadeImage]]"]:
        """The images of the requests, in order, a future for each call. From any thread."""
        assert self._workers is not None
        calls = split_calls(requests, self.images_at_once)
        return [self._workers.submit(self._make_call, call) for call in calls]

    def _make_call(self, requests: Sequence[ImageRequest]) -> list[MadeImage]:
        pipeline = self._free.get()
        began = time.perf_counter()
        try:
            return self._make_within(pipeline, requests)
        finally:
            self.seconds += time.perf_counter() - began
            self._free.put(pipeline)

    def _make_within(self, pipeline: DevicePipeline, requests: Sequence[ImageRequest]) -> list[MadeImage]:
        """The images in as few calls as there is room for."""
        made: list[MadeImage] = []
        size = min(pipeline.limit(requests), self.images_at_once)
        while len(made) < len(requests):
            some = requests[len(made) : len(made) + size]
            try:
                made += pipeline.make(some)
            except OutOfMemory as exc:
                if len(some) == 1:
                    one = some[0]
                    raise no_room(
                        pipeline.device, f"it has no room for one image of {one.width} x {one.height}"
                    ) from exc
                size = self.images_at_once = max(1, len(some) // 2)
        return made

    def _limit_threads(self) -> None:
        if self.threads is None:
            return
        import torch

        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(self.threads)


def split_calls(requests: Sequence[ImageRequest], size: int) -> list[list[ImageRequest]]:
    """The requests in order, neighbours of one shape together, at most `size` a call."""
    calls: list[list[ImageRequest]] = []
    for request in requests:
        if calls and len(calls[-1]) < size and calls[-1][0].shape == request.shape:
            calls[-1].append(request)
        else:
            calls.append([request])
    return calls
