"""Rows of which one answer was chosen and another rejected, as messages with alternatives."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from synth_stack.inputs.chat_shapes import Left, Message, read_turns
from synth_stack.inputs.notices import NoticeTally
from synth_stack.inputs.plain_values import is_empty, read_text

Alternative = dict[str, Any]


def read_side(
    value: Any, turns: list[Any] | None, column: str, tally: NoticeTally
) -> tuple[list[list[Message]], Left]:
    """The conversations of one side: its `turns` where it has any, else one for each text.

    Raises ValueError for what is neither text nor turns.
    """
    if turns is not None:
        messages, left = read_turns(turns, column, tally)
        return [messages], left
    if isinstance(value, list | tuple) and value and all(isinstance(text, str) for text in value):
        return [[{"role": "assistant", "content": read_text(text, column)}] for text in value], {}
    return [[{"role": "assistant", "content": read_text(value, column)}]], {}


def part_prompt(
    prompt: Sequence[Message], sides: Sequence[Sequence[Message]]
) -> tuple[list[Message], list[list[Message]]]:
    """The turns that all sides answer, and what is left of each side.

    A side that repeats the prompt is cut; so is what all sides have in common, up to their last message. A
    prompt that stands within what they share (after a system turn, say) is not said twice.
    """
    cut = [strip_prompt(prompt, side) for side in sides]
    shared = 0
    shortest = min(len(side) for side in cut)
    while shared < shortest - 1 and all(side[shared] == cut[0][shared] for side in cut):
        shared += 1
    common = list(cut[0][:shared])
    asked = common if _holds(common, prompt) else [*prompt, *common]
    return asked, [list(side[shared:]) for side in cut]


def strip_prompt(prompt: Sequence[Message], side: Sequence[Message]) -> Sequence[Message]:
    """A side without the prompt that it repeats before its own turns."""
    repeats = len(side) > len(prompt) and list(side[: len(prompt)]) == list(prompt)
    return side[len(prompt) :] if repeats else side


def read_rating(value: Any) -> str | None:
    """A rating as a decimal number in digits, or None for what is no number."""
    if isinstance(value, bool) or is_empty(value):
        return None
    if isinstance(value, str):
        return value.strip() if re.fullmatch(r"\s*[+-]?\d{1,30}(\.\d{1,30})?\s*", value, re.ASCII) else None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f") if math.isfinite(value) else None
    return format(value, "f") if isinstance(value, Decimal) and value.is_finite() else None


def _holds(turns: Sequence[Message], prompt: Sequence[Message]) -> bool:
    width = len(prompt)
    return (
        any(list(turns[i : i + width]) == list(prompt) for i in range(len(turns) - width + 1)) and width > 0
    )
