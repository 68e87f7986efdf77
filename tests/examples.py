"""How many examples a property is tried on: a part of them in `make test`, all in `make test-fuzz`."""

import os

ALL = os.environ.get("SYNTH_STACK_EXAMPLES") == "all"
PART = 0.3
FEWEST = 4
"""Below this Hypothesis has hardly left the simplest values."""


def examples(count: int) -> int:
    """So many of `count` examples, at least `FEWEST` of them; all with SYNTH_STACK_EXAMPLES=all."""
    return count if ALL else min(count, max(FEWEST, round(count * PART)))
