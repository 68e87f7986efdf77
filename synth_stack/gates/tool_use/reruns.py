"""Calls made once more: what the functions of a Python file return now, beside what a row says of it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, InputError
from synth_stack.gates.tool_use.traces import ToolTrace
from synth_stack.inputs.python_functions import read_functions
from synth_stack.inputs.strict_yaml import read_text
from synth_stack.rows.canonical import Digest, digest_bytes
from synth_stack.sandbox.function_calls import FunctionCall, call_functions
from synth_stack.sandbox.room import Limits

FAILS, OTHER_RESULT = "call_fails", "other_result"

_TOLERANCE = 1e-9
"""Relative, of a float: what two machines may differ in, and JSON keeps."""


@dataclass(frozen=True, slots=True)
class Program:
    """A Python file of tools, with the names of its public functions."""

    name: str
    text: str
    functions: frozenset[str]

    @property
    def digest(self) -> Digest:
        """SHA-256 of its text."""
        return digest_bytes(self.text.encode())


@dataclass(frozen=True, slots=True)
class Rerun:
    """How many calls of a row were made again, and what is wrong with the first that did not agree."""

    calls: int = 0
    what: str | None = None
    reason: str | None = None


def read_programs(paths: Sequence[str]) -> tuple[Program, ...]:
    """The programs at these paths. Raises InputError for one that is none, or has a function of another."""
    programs: list[Program] = []
    for path in paths:
        try:
            text = read_text(Path(path))
            functions = frozenset(str(tool["name"]) for tool in read_functions(text))
        except (ValueError, ConfigError) as exc:
            raise InputError(
                f"{Path(path).name} is no program of tools: {exc}", allowed="a Python file"
            ) from exc
        twice = [name for each in programs for name in each.functions & functions]
        if twice or not functions:
            said = f"{min(twice)} stands in another one too" if twice else "it has no public function"
            raise InputError(f"{Path(path).name} is no program of tools: {said}")
        programs.append(Program(Path(path).name, text, functions))
    return tuple(programs)


def rerun(traces: Sequence[ToolTrace], programs: Sequence[Program], limits: Limits) -> list[Rerun]:
    """What comes of the calls of each trace that one of the programs has the function of.

    Those of one program run in one process, in the order of the row.
    """
    made = [Rerun() for _ in traces]
    for program in programs:
        mine = {
            k: [place for place, call in enumerate(trace.calls) if call.name in program.functions]
            for k, trace in enumerate(traces)
        }
        busy = {k: places for k, places in mine.items() if places}
        courses = [
            [FunctionCall(traces[k].calls[place].name, traces[k].calls[place].arguments) for place in places]
            for k, places in busy.items()
        ]
        for (k, places), results in zip(
            busy.items(), call_functions(program.text, courses, limits=limits), strict=True
        ):
            again = {
                place: (result.result, result.failure) for place, result in zip(places, results, strict=True)
            }
            made[k] = _join(made[k], _compare(traces[k], again))
    return made


def _join(first: Rerun, then: Rerun) -> Rerun:
    worst = first if first.what is not None else then
    return Rerun(first.calls + then.calls, worst.what, worst.reason)


def _compare(trace: ToolTrace, again: Mapping[int, tuple[str | None, str | None]]) -> Rerun:
    for place, (result, failure) in again.items():
        call = trace.calls[place]
        stated = _parse(call.result)
        if failure is not None:
            if _is_error(stated):
                continue  # the row says that it failed, and so it does
            return Rerun(len(again), FAILS, f"call fails: {call.name}: {failure}")
        if call.result is not None and not _is_equal(stated, _parse(result)):
            return Rerun(len(again), OTHER_RESULT, f"other result: {call.name} returns something else")
    return Rerun(len(again))


def _parse(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return text


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and any(str(key).lower() in {"error", "errors"} for key in value)


def _is_equal(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same, numbers but for what floats lose."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_is_equal(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_is_equal, a, b))
    if _is_number(a) and _is_number(b):
        return a == b or math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return type(a) is type(b) and bool(a == b)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
