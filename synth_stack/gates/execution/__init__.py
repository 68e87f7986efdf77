"""The parts of the execution gate: a row as solution and tests, mutants of it, and canaries."""
