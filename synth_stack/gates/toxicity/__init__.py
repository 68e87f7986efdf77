"""The parts of the toxicity gate: what is read, its scores, its tone, bad slices, and canaries."""
