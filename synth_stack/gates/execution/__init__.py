"""The parts of the execution gate: what is wrong with a pair, mutants of its solution, and canaries."""
