"""The datatrove engine, and our gates as steps of a datatrove pipeline: `GateStep`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth_stack.engines.datatrove.gate_step import GateStep

__all__ = ["GateStep"]


def __getattr__(name: str) -> Any:
    if name != "GateStep":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from synth_stack.engines.datatrove.gate_step import GateStep

    return GateStep
