"""The parts of the gate `turns`: who speaks, as whom, and what they say of themselves."""
