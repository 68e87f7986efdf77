"""Calls of tools that fit, that give what the row says, and that the answer uses.

The three checks of APIGen (Liu et al. 2024, arXiv:2406.18518, section 3.2): format, execution, meaning. The
last is what can be told without a model: values of results stand in the answer, and no number in it comes
from nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.gates.tool_use.canaries import BARS, plant_sound_traces, plant_spoilt_traces
from synth_stack.gates.tool_use.reruns import Program, Rerun, read_programs, rerun
from synth_stack.gates.tool_use.result_values import find_unsupported, measure_use
from synth_stack.gates.tool_use.traces import ToolTrace, read_traces
from synth_stack.registry import FilePath, gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.sandbox.room import Limits, find_level

Action = Literal["reject", "hold"]

UNUSED = "tool_use.unused_result"
MIN_USED = 0.5
"""Half of the results: of several that come at once an answer may tell one, and one of two steps may only
have been a means."""
_NO_PROGRAMS: list[str] = []


@gate("tool_use", version="1", reads=("content", "tool_calls", "tools", "alternatives"), harm="truth")
def tool_use(
    *,
    programs: list[FilePath] = _NO_PROGRAMS,
    min_used: Annotated[float, Field(ge=0, le=1)] = MIN_USED,
    unsupported: Action | None = "hold",
    cpu_s: Annotated[int, Field(ge=1, le=60)] = 2,
    memory_mb: Annotated[int, Field(ge=64, le=4096)] = 256,
) -> Judge:
    """A judge that rejects calls that do not fit or give something else, and answers without what they gave.

    It judges rows in which tools are called, and abstains on others. Format: every call is of one of the
    row's tools with arguments that fit its schema, and every result answers an open call. Execution: the
    calls of a row are made again in the sandbox, in their order, where one of the `programs` (Python files)
    has a function of that name; each has to return what the row says, and fail where the row says so.
    Meaning: of the results that bring values of their own, a share of `min_used` at least has one in the
    answer or in the arguments of a later call; what becomes of an answer with a number that nothing before it
    bears out, `unsupported` says. Where neither of the last two finds anything to check, it abstains.

    The score is the share of results that were used; below `min_used` the row is rejected.

    Raises InputError for a program that cannot be read, SandboxError where there are some and no sandbox.
    """
    known = read_programs(programs)
    limits = Limits(cpu_s=cpu_s, memory_mb=memory_mb, wall_s=5.0 * cpu_s)
    level = find_level() if known else None
    rules = _Rules(known, min_used, unsupported, limits)

    def judge(table: pa.Table, _: State) -> pa.Table:
        found = _judge_rows(table, rules)
        said = [found.get(row, _NO_CALL) for row in range(len(table))]
        return write_row_verdicts(table, "tool_use", said, threshold=min_used)

    facts: dict[str, Any] = {"programs": {program.name: program.digest for program in known}}
    return Judge(
        judge=judge,
        facts=facts if level is None else {**facts, "sandbox": level},
        plant=lambda sample, n, _: plant_spoilt_traces(sample, n, known, numbers=unsupported is not None),
        control=lambda sample, n, _: plant_sound_traces(sample, n),
        bars=BARS,
        dials=(Dial(min_used, "<", (UNUSED,), parameter="min_used"),),
        off=() if unsupported is not None else ("made_up_number",),
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    programs: Sequence[Program]
    min_used: float
    unsupported: Action | None
    limits: Limits


_NO_CALL = RowVerdict("abstain", None, "no tool is called", "tool_use.no_calls")


def _judge_rows(table: pa.Table, rules: _Rules) -> dict[int, RowVerdict]:
    """What is said of every row that calls something."""
    read = dict(read_traces(append_chosen(table)))
    whole = {row: trace for row, trace in read.items() if isinstance(trace, ToolTrace)}
    reruns = dict(zip(whole, rerun(list(whole.values()), rules.programs, rules.limits), strict=True))
    return {
        row: _judge_trace(trace, reruns[row], rules)
        if isinstance(trace, ToolTrace)
        else RowVerdict("reject", None, f"bad form: {trace}", "tool_use.bad_form")
        for row, trace in read.items()
    }


def _judge_trace(trace: ToolTrace, again: Rerun, rules: _Rules) -> RowVerdict:
    counts = {"calls": len(trace.calls), "made_again": again.calls}
    if again.what is not None:
        evidence = canonical_text({"counts": counts})
        return RowVerdict("reject", None, again.reason, f"tool_use.{again.what}", evidence)
    use = measure_use(trace)
    evidence = canonical_text({"counts": {**counts, "results": use.results, "used": use.used}})
    score = use.used / use.results if use.results else None
    if score is not None and score < rules.min_used:
        reason = f"unused result: nothing of what {use.unused} gave back stands in the answer"
        return RowVerdict("reject", score, reason, UNUSED, evidence)
    number = find_unsupported(trace) if rules.unsupported is not None and use.results else None
    if number is not None and rules.unsupported is not None:
        reason = f"made-up number: {number} in the answer comes from nothing before it"
        return RowVerdict(rules.unsupported, score, reason, "tool_use.made_up_number", evidence)
    if not again.calls and not use.results:
        reason = "neither is a call run again, nor has a result a value that an answer could use"
        return RowVerdict("abstain", None, reason, "tool_use.nothing_to_check", evidence)
    return RowVerdict("accept", score=score, evidence=evidence)
