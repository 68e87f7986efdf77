"""Where a network runs: on the GPU that torch can use, or on the CPU."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal

from synth_stack.errors import ModelError

Device = Literal["auto", "cpu", "cuda"]

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What a driver of GPUs that torch can use has on Linux: of NVIDIA, of AMD, of Windows below it."""


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


def find_gpu(*modules: str) -> bool:
    """Whether torch can use a GPU here and all of these modules are installed.

    Torch takes seconds to import, so it is asked only where the machine has a driver.
    """
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in _DRIVERS):
        return False
    if any(importlib.util.find_spec(module) is None for module in ("torch", *modules)):
        return False
    return choose_device(importlib.import_module("torch"), "auto") == "cuda"
