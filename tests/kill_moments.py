"""At which moments a test kills what it tests: a sample of them in `make test`, all in `make test-kills`."""

import os
from collections.abc import Sequence
from typing import TypeVar

Moment = TypeVar("Moment")


def pick_moments(moments: Sequence[Moment], few: int) -> list[Moment]:
    """`few` of the moments, evenly between the first and the last; all with SYNTH_STACK_KILLS=all."""
    if os.environ.get("SYNTH_STACK_KILLS") == "all" or len(moments) <= few:
        return list(moments)
    return [moments[(2 * i + 1) * len(moments) // (2 * few)] for i in range(few)]
