"""Where a network runs: on the GPU that torch can use, or on the CPU."""

from typing import Any, Literal

from synth_stack.errors import ModelError

Device = Literal["auto", "cpu", "cuda"]


def choose_device(torch: Any, wanted: Device) -> Literal["cpu", "cuda"]:
    """The device that is `wanted`, for `auto` the GPU where there is one. Raises ModelError without it."""
    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ModelError(
            "there is no GPU that torch can use",
            seen="device: cuda",
            allowed="device: auto or cpu",
            mend="Install a CUDA build of torch, or set device: auto.",
        )
    return "cpu"
