"""Conversations in which an assistant calls tools. Returns a real distilabel Pipeline."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.generation.provenance import record_origin
from synth_stack.generators.tools.shapes import SHAPES, Shape
from synth_stack.inputs.tool_catalogue import Catalogue, ToolFile, read_catalogue
from synth_stack.registry import generator
from synth_stack.sandbox.room import find_level

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "2"
_METHOD = "tool_traces"
_REQUEST, _DETAIL, _ASSISTANT, _PLAY, _ANSWER, _CHECK = (
    "tool_request",
    "tool_detail",
    "tool_assistant",
    "tool_play",
    "tool_answer",
    "tool_check",
)
_NATIVE = "tool_native"
Results = Literal["executed", "simulated"]
Calls = Literal["native", "text"]
_ALL = list(SHAPES)


def _find_results(params: Mapping[str, Any]) -> Results:
    """Whether results come from the functions themselves: where there are some, unless it was said."""
    said: Results | None = params["results"]
    return said or ("executed" if str(params["tools"]["path"]).endswith(".py") else "simulated")


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    detail = (_DETAIL,) if "missing_argument" in params["shapes"] else ()
    play = (_PLAY,) if _find_results(params) == "simulated" else ()
    check = (_CHECK,) if params["judged"] else ()
    return (_REQUEST, *detail, _ASSISTANT, *play, _ANSWER, _NATIVE, *check)


def record_tools(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the digest of the tools' file and their number in the place of its path."""
    catalogue = read_catalogue(ToolFile.model_validate(params["tools"]))
    bounds = {key: value for key, value in params["tools"].items() if key != "path"}
    found = {"sha256": catalogue.digest, "tools": len(catalogue.tools)}
    return {**params, "tools": {**bounds, "found": found}}


@generator(_METHOD, version=VERSION, checked_by="tool_use", templates=_list_templates, record=record_tools)
def tool_traces(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    tools: ToolFile,
    shapes: Annotated[list[Shape], Field(min_length=1)] = _ALL,
    results: Results | None = None,
    offered: Annotated[int, Field(ge=1, le=32)] = 4,
    max_steps: Annotated[int, Field(ge=2, le=8)] = 3,
    judged: bool = True,
    calls: Calls | None = None,
) -> "Pipeline":
    """A pipeline in which a user asks, an assistant calls tools, and answers from what they give back.

    After APIGen (Liu et al. 2024, arXiv:2406.18518) and ToolACE (Liu et al. 2024, arXiv:2409.00920). Each row
    has one of the `shapes`, all equally often: a single call, several at once, several steps, an argument
    that has to be asked for, or no tool that fits. The functions of a Python file are run in the sandbox;
    with `results: simulated`, and for schemas alone, the teacher plays the tools. `offered` of them are
    shown; `max_steps` are the most rounds of calls in one row. With `judged` the recipe's `models.judge`, or
    the teacher, says at the end whether calls and answer do what was asked. The assistant's calls are
    `native` where the teacher takes tools (`takes_tools`): conversation and tools go to it as messages and
    schemas, and its `tool_calls` are read; else they are `text`, JSON that a prompt asks for.

    Raises InputError for a file without tools, ConfigError for results and shapes that its tools cannot have
    and for native calls of a teacher that takes none,
    SandboxError where they are to be run and there is no sandbox.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.steps import draw_items
    from synth_stack.generators.tools.steps import ToToolRows

    catalogue = read_catalogue(tools)
    how = _find_results({"results": results, "tools": {"path": tools.path}})
    _check(catalogue, shapes, how)
    if calls == "native" and not llm.takes_tools:
        raise ConfigError(
            f"{_METHOD}: calls: native needs a teacher that takes tools",
            seen=llm.model_name,
            mend="Set teacher.takes_tools: true for a server that does, or say calls: text.",
        )
    protocol: Calls = calls or ("native" if llm.takes_tools else "text")
    native = protocol == "native"
    params = {
        "tools": {"sha256": catalogue.digest, "only": tools.only},
        "shapes": shapes,
        "results": how,
        "offered": offered,
        "max_steps": max_steps,
        "judged": judged,
        "calls": protocol,
    }
    with Pipeline(name="tool-traces") as pipeline:
        last = _open(llm, draw_items(plan, batch_rows), catalogue, shapes, offered, native=native)
        for step in range(1, (max_steps if "multi_step" in shapes else 1) + 1):
            asked = _ask_assistant(llm, catalogue, "calls", step, native=native)
            last = last >> asked >> _give(llm, catalogue, how, step)
        last = last >> _ask_assistant(llm, catalogue, "answer", native=native)
        if judged:
            last = last >> _judge(llm)
        last >> ToToolRows(results=how, calls=protocol, **record_origin(llm, _METHOD, VERSION, params))
    return pipeline


def _check(catalogue: Catalogue, shapes: list[Shape], how: Results) -> None:
    if how == "executed" and catalogue.program is None:
        raise ConfigError(
            f"{_METHOD}: only the functions of a Python file can be executed",
            mend="Say results: simulated, or name a Python file in tools.path.",
        )
    if how == "executed":
        find_level()
    if "missing_argument" in shapes and not any(tool.required for tool in catalogue.tools):
        raise ConfigError(
            f"{_METHOD}: no tool has an argument that it needs",
            mend="Leave missing_argument out of `shapes`.",
        )


def _open(
    llm: "Teacher", items: Any, catalogue: Catalogue, shapes: list[Shape], offered: int, *, native: bool
) -> Any:
    """The steps up to the user's last word before the first call."""
    from synth_stack.generators.tools.steps import AskUser, ChooseTools

    choose = ChooseTools(name="tools", shapes=shapes, offered=offered)
    choose._catalogue = catalogue
    request = AskUser(name="instruction", llm=llm, template=_REQUEST, column="instruction", shapes=shapes)
    last = items >> choose >> request
    if "missing_argument" in shapes:
        detail = AskUser(
            name="detail", llm=llm, template=_DETAIL, column="detail", shapes=["missing_argument"]
        )
        last = last >> _ask_assistant(llm, catalogue, "clarify", native=native) >> detail
    return last


def _ask_assistant(
    llm: "Teacher",
    catalogue: Catalogue,
    turn: Literal["clarify", "calls", "answer"],
    step: int = 1,
    *,
    native: bool,
) -> Any:
    from synth_stack.generators.tools.steps import AskAssistant

    name = f"calls_{step}" if turn == "calls" else turn
    ask = AskAssistant(
        name=name,
        llm=llm,
        template=_NATIVE if native else _ANSWER if turn == "answer" else _ASSISTANT,
        native=native,
        column=name,
        single_line=False,
        whole=True,
        turn=turn,
        step=step,
    )
    ask._tools = {tool.name: tool for tool in catalogue.tools}
    return ask


def _give(llm: "Teacher", catalogue: Catalogue, how: Results, step: int) -> Any:
    """The step that gives the results of one round of calls."""
    from synth_stack.generators.tools.steps import PlayTools, RunTools

    name = f"results_{step}"
    if how == "executed":
        run = RunTools(name=name, column=name)
        run._program = catalogue.program or ""
        return run
    play = PlayTools(name=name, llm=llm, template=_PLAY, column=name, single_line=False, whole=True)
    play._tools = {tool.name: tool for tool in catalogue.tools}
    return play


def _judge(llm: "Teacher") -> Any:
    from synth_stack.generators.tools.steps import CheckMeaning

    return CheckMeaning(name="check", llm=llm, template=_CHECK, column="check", part="judge")
