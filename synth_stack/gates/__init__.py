"""The gates. Importing this package registers them; their models load when a judge is made."""

from synth_stack.gates import (
    contamination,
    dedup,
    execution,
    novelty,
    personal_data,
    refusal,
    semantic_dedup,
    structure,
    toxicity,
    turns,
)

__all__ = [
    "contamination",
    "dedup",
    "execution",
    "novelty",
    "personal_data",
    "refusal",
    "semantic_dedup",
    "structure",
    "toxicity",
    "turns",
]
