"""The distilabel steps of conversations with tools: offered, asked for, called, answered, checked.

`turns` holds the messages so far, as the row will have them. A reply that does not belong to the shape of its
row fails it.
"""

import json
import random
import re
from collections.abc import Mapping
from typing import Any, Literal

from distilabel.steps import Step, StepInput
from pydantic import PrivateAttr

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.steps import Ask, ToCandidates
from synth_stack.generators.tools.replies import ToolCall, find_misfit, read_calls, read_results
from synth_stack.generators.tools.shapes import (
    Shape,
    find_disorder,
    find_open_calls,
    list_calls,
    may_call,
)
from synth_stack.inputs.tool_catalogue import Catalogue, Tool
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.rows.texts import join_text
from synth_stack.sandbox.function_calls import FunctionCall, call_functions
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

_VERDICT = re.compile(r"(?i)^\W*(?P<said>yes|no)\b\W*(?P<why>.*)$", re.DOTALL)
_REASON_CHARS = 200


class ChooseTools(Step):  # type: ignore[misc]  # distilabel has no types
    """Draws the shape of each item, the tools that are offered, and which of them are to be used."""

    shapes: list[Shape]
    offered: int

    _catalogue: Catalogue = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return ["shape", "tools", "targets", "missing", "turns", "fence"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._choose(row) for row in inputs]

    def _choose(self, row: Row) -> Row:
        lot = random.Random(derive_seed(row["rng_seed"], "tools"))  # noqa: S311
        shape = lot.choice(self.shapes)
        fit = [tool for tool in self._catalogue.tools if shape != "missing_argument" or tool.required]
        first = lot.choice(fit)
        others = [tool for tool in self._catalogue.tools if tool.name != first.name]
        offered = [first, *lot.sample(others, min(self.offered - 1, len(others)))]
        wanted = 1 if shape in {"single", "missing_argument"} else 2
        targets = [] if shape == "no_tool" else [tool.name for tool in offered[:wanted]]
        missing = lot.choice(first.required) if shape == "missing_argument" else None
        lot.shuffle(offered)  # the wanted ones stand anywhere
        functions = [tool.as_function() for tool in offered]
        return {
            **row,
            "shape": shape,
            "tools": functions,
            "targets": targets,
            "missing": missing,
            "turns": [],
            "fence": draw_fence([canonical_text(functions)]),
        }


class AskUser(Ask):
    """Asks for what the user says, and puts it after the turns before."""

    shapes: list[Shape]

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and row["shape"] in self.shapes

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        return super().format_input(_show(input))

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        return {**said, "turns": [*row["turns"], {"role": "user", "content": said[self.column]}]}


class AskAssistant(Ask):
    """Asks the assistant for a question back (`clarify`), a round of `calls` or words, or the `answer`."""

    turn: Literal["clarify", "calls", "answer"]
    step: int = 1
    native: bool = False

    _tools: Mapping[str, Tool] = PrivateAttr()

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        if not super().is_asked(row):
            return False
        if self.turn == "clarify":
            return bool(row["shape"] == "missing_argument")
        if self.turn == "answer":
            return bool(row["turns"][-1]["role"] == "tool")
        return may_call(row["shape"], self.step, row["turns"])

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        prompt = super().format_input(_show(input))
        if not self.native:
            return prompt
        return prompt.with_messages([*prompt, *map(_write_message, input["turns"])], tools=input["tools"])

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, _spell_out(output) if self.native else output)
        if said["failure"]:
            return said
        try:
            calls = read_calls(said[self.column])
        except ValueError as exc:
            return {**said, "failure": f"{self.column}: {exc}"}
        fault = self._find_fault(row, said[self.column], calls)
        if fault is not None:
            return {**said, "failure": f"{self.column}: {fault}"}
        if calls is None:
            turn = {"role": "assistant", "content": said[self.column]}
            return {**said, "turns": [*row["turns"], turn]}
        return self._append_calls(said, calls)

    def _find_fault(self, row: Row, reply: str, calls: list[ToolCall] | None) -> str | None:
        if self.turn == "clarify":
            if calls is not None:
                return "a call, and an argument of it was not given"
            return None if "?" in reply else "nothing is asked, and an argument was not given"
        if self.turn == "answer":
            return None if calls is None else "a call in the place of an answer"
        offered = {tool["function"]["name"]: self._tools[tool["function"]["name"]] for tool in row["tools"]}
        misfits = (find_misfit(call, offered) for call in calls or ())
        wrong = next((misfit for misfit in misfits if misfit is not None), None)
        return wrong or find_disorder(row["shape"], self.step, calls, list_calls(row["turns"]))

    def _append_calls(self, said: Row, calls: list[ToolCall]) -> Row:
        """The row with the calls as its last turn, and what was thought before them on it."""
        first = len(list_calls(said["turns"])) + 1
        made = [
            {"id": f"call_{number}", "name": call.name, "arguments": call.text}
            for number, call in enumerate(calls, first)
        ]
        thought = said.get("thoughts", {}).get(said[self.column])
        turn = {"role": "assistant", "content": None, "tool_calls": made, "finish": "tool_calls"}
        if thought is not None:
            turn["reasoning"] = thought
        return {**said, "turns": [*said["turns"], turn]}


class PlayTools(Ask):
    """Asks a model for what the called tools would give back, which has to fit their schemas."""

    _tools: Mapping[str, Tool] = PrivateAttr()

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and bool(find_open_calls(row["turns"]))

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        calls = find_open_calls(input["turns"])
        returns = {call["name"]: self._tools[call["name"]].returns for call in calls}
        known = {name: schema for name, schema in returns.items() if schema is not None}
        shown = {"calls": _write_calls(calls), "returns": canonical_text(known) if known else None}
        return super().format_input({**_show(input), **shown})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        calls = [_read_call(call) for call in find_open_calls(row["turns"])]
        try:
            results = read_results(said[self.column], calls, self._tools)
        except ValueError as exc:
            return {**said, "failure": f"{self.column}: {exc}"}
        return _append_results(said, results)


class RunTools(Step):  # type: ignore[misc]  # distilabel has no types
    """Runs the called functions in the sandbox, those of earlier rounds before them; one that fails fails
    its row.
    """

    column: str

    _program: str = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["turns"]

    @property
    def outputs(self) -> list[str]:
        return ["turns"]

    def process(self, inputs: StepInput) -> Any:
        rows = [
            place
            for place, row in enumerate(inputs)
            if not row.get("failure") and find_open_calls(row["turns"])
        ]
        courses = [list_calls(inputs[place]["turns"]) for place in rows]
        ran = call_functions(
            self._program,
            [
                [FunctionCall(call["name"], json.loads(call["arguments"])) for call in course]
                for course in courses
            ],
        )
        made = list(inputs)
        for place, course, results in zip(rows, courses, ran, strict=True):
            made[place] = self._note(inputs[place], course, results)
        yield made

    def _note(self, row: Row, course: list[Mapping[str, str]], results: list[Any]) -> Row:
        new = len(find_open_calls(row["turns"]))
        for call, result in zip(course[-new:], results[-new:], strict=True):
            if result.failure is not None:
                return {**row, "failure": f"{self.column}: {call['name']}: {result.failure}"}
        return _append_results(row, [result.result for result in results[-new:]])


class CheckMeaning(Ask):
    """Asks the judge whether calls and answer do what was asked; a no fails the row (APIGen, section 3.2)."""

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        return super().format_input(_show(input))

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        verdict = _VERDICT.match(said[self.column])
        if verdict is None:
            return {**said, "failure": f"{self.column}: neither YES nor NO"}
        if verdict["said"].lower() == "yes":
            return said
        why = " ".join(verdict["why"].split())[:_REASON_CHARS] or "no reason given"
        return {**said, "failure": f"{self.column}: the judge says no: {why}"}


class ToToolRows(ToCandidates):
    """Candidate rows of kind tool: the conversation, its tools, and in `extra` its shape."""

    results: Literal["executed", "simulated"]
    calls: Literal["native", "text"]

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "shape", "tools", "turns"]

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "tools"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        kept = set() if self._keeps_reasoning else {"reasoning"}
        messages = [{key: said[key] for key in said if key not in kept} for said in row["turns"]]
        told = {"shape": row["shape"], "results": self.results, "targets": row["targets"]}
        told["calls"] = self.calls
        if row["missing"] is not None:
            told["missing"] = row["missing"]
        return {
            **made,
            "kind": "tool",
            "messages": messages,
            "tools": canonical_text(row["tools"]),
            "text": join_text(messages),
            "extra": canonical_text({**json.loads(made["extra"]), "tool_traces": told}),
        }


def _write_message(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A turn of the conversation as a server takes it."""
    if turn["role"] == "tool":
        return {"role": "tool", "tool_call_id": turn["tool_call_id"], "content": turn["content"]}
    if not turn.get("tool_calls"):
        return {"role": turn["role"], "content": turn["content"]}
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for call in turn["tool_calls"]
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _spell_out(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a teacher said, its calls written as the text of the other protocol: one reader is for both."""
    calls = json.loads(output["call"][0]).get("tool_calls")
    if not calls:
        return output
    said = [{"name": call["name"], "arguments": call["arguments"]} for call in calls]
    return {**output, "generations": [json.dumps(said, ensure_ascii=False)]}


def _show(row: Row) -> Row:
    """The row with its tools and turns as a prompt shows them, between lines that nothing in them holds."""
    tools = json.dumps([tool["function"] for tool in row["tools"]], ensure_ascii=False, indent=1)
    transcript = "\n".join(_tell(turn) for turn in row["turns"])
    fence = draw_fence([tools, transcript, str(row.get("seed") or "")])
    return {**row, "tools": tools, "transcript": transcript, "fence": fence}


def _tell(turn: Mapping[str, Any]) -> str:
    if turn.get("tool_calls"):
        return f"ASSISTANT CALLS: {_write_calls(turn['tool_calls'])}"
    if turn["role"] == "tool":
        return f"RESULT OF {turn['name']}: {turn['content']}"
    return f"{turn['role'].upper()}: {turn['content']}"


def _write_calls(calls: list[Mapping[str, str]]) -> str:
    said = [{"name": call["name"], "arguments": json.loads(call["arguments"])} for call in calls]
    return json.dumps(said, ensure_ascii=False)


def _read_call(call: Mapping[str, str]) -> ToolCall:
    return ToolCall(call["name"], json.loads(call["arguments"]))


def _append_results(row: Row, results: list[str]) -> Row:
    turns = [
        {"role": "tool", "content": result, "tool_call_id": call["id"], "name": call["name"]}
        for call, result in zip(find_open_calls(row["turns"]), results, strict=True)
    ]
    return {**row, "turns": [*row["turns"], *turns]}
