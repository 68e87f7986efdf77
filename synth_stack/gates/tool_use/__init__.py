"""The parts of the tool-use gate: traces as rows have them, calls made again, values in answers, canaries."""
