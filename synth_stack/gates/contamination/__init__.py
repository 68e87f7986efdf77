"""The parts of the contamination gate: eval sets, and three ways in which a row may repeat an item."""
