"""Gates on NeMo Curator: as an engine on Ray, and as a stage of a NeMo user's own pipeline."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth_stack.engines.nemo.gate_stage import GateStage

__all__ = ["GateStage"]


def __getattr__(name: str) -> Any:
    """NeMo Curator is imported by whoever asks for a stage of it, and not by the package."""
    if name == "GateStage":
        from synth_stack.engines.nemo.gate_stage import GateStage

        return GateStage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
