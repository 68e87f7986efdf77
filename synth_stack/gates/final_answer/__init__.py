"""The parts of the final-answer gate: what a row states of its answer, canaries and controls."""
