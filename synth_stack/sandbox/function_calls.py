"""What the functions of a Python text return: called in the sandbox, one call after the other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth_stack.errors import replace_unprintable
from synth_stack.sandbox.room import DEFAULT, Limits, Outcome
from synth_stack.sandbox.run_many import run_many

MAX_RESULT_CHARS = 16_000
"""Of one result as JSON: a model reads no more of a tool beside its work, and the room passes on four."""

_REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function by its name, with its arguments by theirs."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Returned:
    """What came of a call: the result as JSON text, or why there is none."""

    result: str | None = None
    failure: str | None = None


def call_functions(
    program: str, courses: Sequence[Sequence[FunctionCall]], *, limits: Limits = DEFAULT
) -> list[list[Returned]]:
    """For each course its results, in the order of its calls.

    The calls of a course run in one process, so a later one sees what an earlier one left; each course starts
    anew. After a call that fails the course goes on. Where the whole course ends (a limit, a program that
    does not load) every call of it has failed. Raises SandboxError where this machine has no sandbox.
    """
    runs = [(program, _SCRIPT.format(calls=_write(course), most=MAX_RESULT_CHARS)) for course in courses]
    outcomes = run_many(runs, limits=limits, confirmed=False)
    return [_read(outcome, len(course)) for outcome, course in zip(outcomes, courses, strict=True)]


def _write(course: Sequence[FunctionCall]) -> str:
    """The calls as a Python literal of their JSON: nothing in an argument is ever read as code."""
    return repr(json.dumps([[call.name, call.arguments] for call in course]))


def _read(outcome: Outcome, calls: int) -> list[Returned]:
    if outcome.status != "passed":
        reason = f"{outcome.status}: {' '.join(outcome.reason.split())[:_REASON_CHARS]}"
        return [Returned(failure=reason)] * calls
    said = json.loads(outcome.stdout.rpartition("\x1e")[2])
    return [
        Returned(result=text) if ok else Returned(failure=replace_unprintable(text[:_REASON_CHARS], mark="?"))
        for ok, text in said
    ]


_SCRIPT = """
import contextlib
import io
import json
import solution

made = []
for name, arguments in json.loads({calls}):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            value = getattr(solution, name)(**arguments)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
        made.append((True, text) if len(text) <= {most} else (False, "its result is too long"))
    except Exception as exc:
        made.append((False, type(exc).__name__ + ": " + str(exc)))
assert len(made) == len(json.loads({calls}))
print(chr(30) + json.dumps(made), end="")
"""
"""The calls, as the room runs them in the place of tests. What functions print is no part of a result."""
