"""How often length_bias holds batches of a known bias, and what it leaves: python benchmarks/length_bias.py.

Lengths are drawn at random, the longer side is chosen with a given probability: the truth is known.
"""

import numpy as np
import pyarrow as pa

from synth_stack.gates.gate import NO_STATE
from synth_stack.gates.length_bias.gate import MAX_LONGER, length_bias
from synth_stack.rows.schemas import CANDIDATE_SCHEMA

BATCHES, PAIRS = 200, 200


def draw(longer: float, rng: np.random.Generator) -> tuple[pa.Table, np.ndarray]:
    """A batch of pairs, and which of them have the longer side chosen."""
    short = rng.integers(50, 500, PAIRS)
    long = short + rng.integers(5, 500, PAIRS)
    won = rng.random(PAIRS) < longer
    sides = [
        [
            {"label": label, "messages": [{"role": "assistant", "content": "x" * int(chars)}]}
            for label, chars in (("chosen", a if first else b), ("rejected", b if first else a))
        ]
        for a, b, first in zip(long, short, won, strict=True)
    ]
    columns = {field.name: pa.nulls(PAIRS, field.type) for field in CANDIDATE_SCHEMA}
    columns["row_id"] = pa.array([f"{k:032x}" for k in range(PAIRS)])
    columns["slice"] = pa.array(["a"] * PAIRS)
    columns["generator"] = pa.array(["drawn"] * PAIRS)
    columns["alternatives"] = pa.array(sides, CANDIDATE_SCHEMA.field("alternatives").type)
    return pa.table(columns), won


def main() -> None:
    gate, rng = length_bias(), np.random.default_rng(7)
    (step,) = gate.rounds
    for longer in (0.5, 0.6, 0.64, 0.7, 0.75, 0.8):
        held, left = 0, []
        for _ in range(BATCHES):
            table, won = draw(longer, rng)
            state = step.merge([step.sketch(table, NO_STATE)], NO_STATE)
            kept = np.array([said != "hold" for said in gate.judge(table, state)["outcome"].to_pylist()])
            if not kept.all():
                held += 1
                left.append(won[kept].mean())
        rest = f", the rest at most {max(left):.3f} (bar {MAX_LONGER})" if left else ""
        print(f"longer with probability {longer:.2f}: held {held / BATCHES:.1%} of {BATCHES} batches{rest}")


if __name__ == "__main__":
    main()
