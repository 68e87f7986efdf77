"""NeMo Curator's heuristic filters as one gate: their scores and cut-offs, our verdicts and self-test."""
