"""The parts of the structure gate: what can be wrong with the form of a row."""
