"""The parts of the toxicity gate: tone, slices that are bad as a whole, and canaries."""
