"""Scripts for an environment with RAPIDS, imported where NeMo Curator is and RAPIDS is not."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import pytest

GPU_MODULES = (
    "cudf.utils", "cudf_streaming.partition_utils", "cuml.cluster.kmeans_mg", "cupy", "pylibcudf", "pynvml",
    "pylibcugraph.comms.comms_wrapper", "pylibraft.common.handle", "raft_dask.common.comms_utils",
    "raft_dask.common.nccl", "rapidsmpf.config", "rapidsmpf.integrations.ray", "rapidsmpf.memory.buffer",
    "rapidsmpf.memory.buffer_resource", "rapidsmpf.memory.spill", "rapidsmpf.shuffler", "rapidsmpf.statistics",
    "rmm.allocators.torch", "rmm.mr", "rmm.pylibrmm.stream",
)  # fmt: skip
"""What NeMo Curator's modules for deduplication import of RAPIDS."""


def stand_in_for_rapids(script: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module; what it imports of RAPIDS does nothing."""
    parts = [module.split(".") for module in GPU_MODULES]
    for name in {".".join(part[:depth]) for part in parts for depth in range(1, len(part) + 1)}:
        module = MagicMock(__name__=name, __path__=[], __spec__=ModuleSpec(name, None))
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["rapidsmpf.integrations.ray"].RapidsMPFActor = object  # type: ignore[attr-defined]
    return load_alone(script)


def load_alone(path: Path) -> ModuleType:
    """A module without the packages above it, whose __init__ import cudf."""
    spec = importlib.util.spec_from_file_location(f"alone_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
