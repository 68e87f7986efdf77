"""Code pairs from real code: OSS-Instruct, function bodies, docstrings and refactorings, with their tests.

Nothing is run here. What a pair is worth, the gate `execution` finds out: a recipe for code has it in its
gate file. Each function returns a real distilabel Pipeline for a teacher and a plan.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from synth_stack.errors import ConfigError, InputError
from synth_stack.generation.provenance import record_origin
from synth_stack.generators.code.languages import JAVASCRIPT_TESTS
from synth_stack.generators.code.pool import CodePool, Piece, PoolSource, read_pool
from synth_stack.registry import generator
from synth_stack.rows.canonical import derive_seed
from synth_stack.sandbox.room import find_level

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "2"
_STANDARD_LIBRARY = PoolSource()

_TEMPLATES = {
    "oss_instruct": ("code_oss_instruct", "code_tests"),
    "function_tests": ("code_answer", "code_tests"),
    "docstring_rewrite": ("code_answer",),
    "refactor": ("code_answer", "code_tests"),
}


def record_pool(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a method with the pool's digest and counts in the place of its path."""
    source = PoolSource.model_validate_json(json.dumps(params["pool"]))
    bounds = {key: value for key, value in params["pool"].items() if key != "path"}
    return {**params, "pool": {**bounds, "found": read_pool(source).facts}}


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of oss_instruct: lines of a pool may be JavaScript, whole functions are Python."""
    pool = PoolSource.model_validate_json(json.dumps(params["pool"]))
    more = (JAVASCRIPT_TESTS,) if pool.snippets == "lines" else ()
    return (*_TEMPLATES["oss_instruct"], *more)


_method = partial(generator, version=VERSION, checked_by="execution", record=record_pool)
"""The rows have tests, and one gate runs them."""


@_method("oss_instruct", templates=_list_templates)
def oss_instruct(
    llm: "Teacher", plan: "Plan", batch_rows: int, *, pool: PoolSource = _STANDARD_LIBRARY
) -> "Pipeline":
    """A pipeline that writes a problem and its solution, inspired by a function, and then tests for both.

    Wei et al. 2023 (arXiv:2312.02120), section 2.1; with `pool.snippets: lines` by 1 to 15 lines of any file
    of several languages, as there. The tests are ours, of Python and JavaScript alone: they can be run.
    They are
    written from the problem and the signatures alone, so that a wrong solution cannot write its own pass.
    """
    return _build(llm, plan, batch_rows, "oss_instruct", pool)


@_method("function_tests", templates=lambda params: _TEMPLATES["function_tests"])
def function_tests(
    llm: "Teacher", plan: "Plan", batch_rows: int, *, pool: PoolSource = _STANDARD_LIBRARY
) -> "Pipeline":
    """A pipeline that writes the body of a function of the pool from its docstring, and then tests.

    The pool's own body has to pass the same tests.
    """
    return _build(llm, plan, batch_rows, "function_tests", pool)


@_method("docstring_rewrite", templates=lambda params: _TEMPLATES["docstring_rewrite"])
def docstring_rewrite(
    llm: "Teacher", plan: "Plan", batch_rows: int, *, pool: PoolSource = _STANDARD_LIBRARY
) -> "Pipeline":
    """A pipeline that writes the docstring of a function of the pool again, with examples.

    The examples are the tests; the code has to stay as it was.
    """
    return _build(llm, plan, batch_rows, "docstring_rewrite", pool)


@_method("refactor", templates=lambda params: _TEMPLATES["refactor"])
def refactor(
    llm: "Teacher", plan: "Plan", batch_rows: int, *, pool: PoolSource = _STANDARD_LIBRARY
) -> "Pipeline":
    """A pipeline that writes a function of the pool again, and tests that hold before and after."""
    return _build(llm, plan, batch_rows, "refactor", pool)


def _build(llm: "Teacher", plan: "Plan", batch_rows: int, task: str, source: PoolSource) -> "Pipeline":
    """Raises InputError for a pool with nothing to draw, SandboxError where no pair could ever be run."""
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.code.steps import AskCode, AskTests, DrawSnippets, ReadSolution

    find_level()
    if source.snippets == "lines" and task != "oss_instruct":
        raise ConfigError(
            f"{task} works on whole functions",
            seen="pool.snippets: lines",
            mend="Leave snippets out, or use oss_instruct.",
        )
    pool = read_pool(source)
    with Pipeline(name=task.replace("_", "-")) as pipeline:
        items = DrawSnippets(name="items", batch_size=batch_rows, task=task)
        items._plan, items._pool, items._pieces = plan, pool, _shuffle(pool, task, plan.run_seed)
        first, *others = _TEMPLATES[task]
        last = items >> _ask(AskCode, llm, "solution", first) >> ReadSolution(name="read", task=task)
        for template in others:
            last = last >> _ask(AskTests, llm, "tests", template)
        last >> _to_rows(llm, task, source)
    return pipeline


def _ask(step: Any, llm: "Teacher", column: str, template: str) -> Any:
    """A step that asks for code: an answer that was cut off is of no use."""
    return step(name=column, llm=llm, template=template, column=column, single_line=False, whole=True)


def _shuffle(pool: CodePool, task: str, run_seed: int) -> list[Piece]:
    """The functions that the task can use, in an order of the run's own."""
    pieces = [piece for piece in pool.pieces if _is_usable(piece, task)]
    if not pieces:
        raise InputError(
            f"{task}: no function of the code pool {pool.name} can be run alone",
            seen=f"{len(pool.pieces)} functions",
            mend="Name another folder in pool.path, or use oss_instruct, which runs none of them.",
        )
    return sorted(pieces, key=lambda piece: derive_seed(run_seed, "piece", piece.path, piece.snippet.line))


def _is_usable(piece: Piece, task: str) -> bool:
    if task == "oss_instruct":
        return True
    documented = task == "refactor" or piece.snippet.stub is not None
    return documented and piece.snippet.prelude is not None


def _to_rows(llm: "Teacher", task: str, source: PoolSource) -> Any:
    from synth_stack.generators.code.steps import ToCodeRows

    params = {"pool": source.model_dump(mode="json", exclude={"path"})}
    return ToCodeRows(**record_origin(llm, task, VERSION, params))
