"""What a conversation with tools may be like, and whether what an assistant did is of that shape."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from synth_stack.generators.tools.replies import ToolCall

Shape = Literal["single", "parallel", "multi_step", "missing_argument", "no_tool"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

MAX_CALLS = 8
"""At once. The parallel cases of BFCL v3 (the Berkeley leaderboard) have two to eight."""


def list_calls(turns: Sequence[Mapping[str, Any]]) -> list[Mapping[str, str]]:
    """Every call of a conversation, in order."""
    return [call for turn in turns for call in turn.get("tool_calls") or ()]


def find_open_calls(turns: Sequence[Mapping[str, Any]]) -> list[Mapping[str, str]]:
    """The calls of the last turn, which wait for their results."""
    return list(turns[-1].get("tool_calls") or ()) if turns else []


def may_call(shape: str, step: int, turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it is the assistant's turn in its `step`-th round: more than one has `multi_step` alone."""
    if step == 1:
        return bool(turns[-1]["role"] == "user")
    return shape == "multi_step" and bool(turns[-1]["role"] == "tool")


def find_disorder(
    shape: str, step: int, calls: Sequence[ToolCall] | None, before: Sequence[Mapping[str, str]]
) -> str | None:
    """What is not of the shape in the assistant's `step`-th round; `calls` is None where it said something.

    `before` are the calls of earlier rounds: the same call once more is never asked for.
    """
    n = 0 if calls is None else len(calls)
    if shape == "no_tool":
        return f"{n} calls where no tool fits" if n else None
    if calls is None:
        said_too_soon = step == 1 or (shape == "multi_step" and step == 2)
        return f"no call in step {step}" if said_too_soon else None
    if n > MAX_CALLS:
        return f"{n} calls at once, at most {MAX_CALLS} are taken"
    if shape == "parallel" and n < 2:
        return "one call, two or more were to be made at once"
    if shape in {"single", "missing_argument"} and n != 1:
        return f"{n} calls, one was to be made"
    made = [(call["name"], call["arguments"]) for call in before] + [(call.name, call.text) for call in calls]
    return "the same call twice" if len(set(made)) < len(made) else None
