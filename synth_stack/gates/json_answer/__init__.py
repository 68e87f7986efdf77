"""The parts of the gate on JSON answers: canaries and controls."""
