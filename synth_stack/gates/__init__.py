"""The gates. Importing this package registers them; their models load when a judge is made."""

from synth_stack.gates import (
    contamination,
    dedup,
    execution,
    personal_data,
    semantic_dedup,
    structure,
    toxicity,
)

__all__ = [
    "contamination",
    "dedup",
    "execution",
    "personal_data",
    "semantic_dedup",
    "structure",
    "toxicity",
]
