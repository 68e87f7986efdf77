"""Behaviour: functions in a text that pass a held-out item's tests, whatever they are called.

An eval set in HumanEval's form (Chen et al. 2021, section 2.2) has a prompt, the name of a function and a
test with `check(candidate)`. A function that passes it is the item's solution in other words. Texts are only
parsed here; they run in the sandbox.
"""

import ast
import itertools
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from synth_stack.gates.contamination.further_inputs import Arguments, read_inputs
from synth_stack.sandbox.room import Limits
from synth_stack.sandbox.run_many import run_many

LIMITS = Limits(cpu_s=2, wall_s=10.0)
"""CPU time decides, since it is the same on a busy machine: the slowest of HumanEval's 164 reference
solutions needs a tenth of it (benchmarks/behaviour.py)."""

_MAX_CHARS = 20_000
_MAX_BLOCKS = 20
_MAX_FUNCTIONS = 20
"""Of one text, far above a page of code and a dozen functions: they bound the parser's time and stack."""

_PYTHON = frozenset({"", "python", "python3", "py"})
_CODE_STARTS = ("def ", "class ", "import ", "from ", "@", "#", ")", "]", "}")
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_CANDIDATE = "candidate"
_HEAD = "from __future__ import annotations\n"
"""Texts often leave out the imports that only their annotations need."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a text: `source` is a module that defines `name`, with the imports and helpers beside it.

    It takes from `least` to `most` positional arguments (None: any number).
    """

    name: str
    least: int
    most: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An eval item with executable tests: `test` defines `check(candidate)`, or asserts on the entry point.

    `prompt` may define helpers that solution and test use; `entry_point` itself is only a stub there.
    `answer` is the item's own solution: a module, or the body that follows the prompt.
    """

    entry_point: str
    test: str
    prompt: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Solved:
    """Function `function` passes the tests of problem `problem`: `tests` asserts held."""

    function: int
    problem: int
    tests: int


@dataclass(frozen=True, slots=True)
class TriedPairs:
    """What passed, and how many pairs were run, could not match, or were beyond the budget.

    A pair cannot match when the test passes a number of arguments that the function does not take, or when
    the test is no Python. One that equals an earlier pair in source, name and problem is not run again;
    `runs` counts it once.
    """

    solved: list[Solved]
    runs: int
    unmatched: int
    beyond_budget: int


def find_functions(content: str) -> list[Function]:
    """The functions of the Python in a text: its fenced blocks, or else the text itself.

    Those at the top level, and the methods of classes there, called on a new instance. Statements that only
    do something (prints, examples, reading input) are left out of their source. A text that is no Python,
    or too large to be parsed safely, has none.
    """
    blocks = itertools.islice(_find_blocks(content), _MAX_BLOCKS)
    found = (function for block in blocks for function in _list_functions(block))
    return list(itertools.islice(found, _MAX_FUNCTIONS))


def list_by_name(functions: Sequence[Function], problems: Sequence[Problem]) -> list[tuple[int, int]]:
    """Pairs (function, problem) of one name, case and underscores aside; in the order of the functions."""
    named: dict[str, list[int]] = {}
    for k, problem in enumerate(problems):
        named.setdefault(_fold(problem.entry_point), []).append(k)
    return [(k, p) for k, function in enumerate(functions) for p in named.get(_fold(function.name), ())]


def accepts(function: Function, problem: Problem) -> bool:
    """Whether the function takes as many arguments as the problem's test passes."""
    return prepare_problem(problem).accepts(function)


def find_solved(
    functions: Sequence[Function],
    problems: Sequence[Problem],
    pairs: Iterable[tuple[int, int]],
    *,
    budget: int,
    limits: Limits = LIMITS,
    workers: int | None = None,
) -> TriedPairs:
    """Run the tests of problems on functions, the first `budget` different pairs that could match.

    `pairs` are positions in `functions` and `problems`; what passed comes back by function, then problem. A
    problem whose test holds no assert is never solved. Raises SandboxError where this machine has no sandbox.
    """
    programs = [prepare_problem(problem) for problem in problems]
    wanted: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
    unmatched = beyond = 0
    for f, p in pairs:
        function, key = functions[f], (functions[f].source, functions[f].name, p)
        if not programs[p].accepts(function):
            unmatched += 1
        elif key in wanted:
            wanted[key].append((f, p))
        elif len(wanted) < budget:
            wanted[key] = [(f, p)]
        else:
            beyond += 1
    runs = [(programs[p].place(source), programs[p].test_as(name)) for source, name, p in wanted]
    # a faked pass harms the row that fakes it, so none is confirmed
    outcomes = run_many(runs, limits=limits, workers=workers, confirmed=False)
    passed = {
        pair: outcome.checks
        for same, outcome in zip(wanted.values(), outcomes, strict=True)
        for pair in same
        if outcome.status == "passed"
    }
    order = sorted(passed)
    return TriedPairs([Solved(f, p, passed[f, p]) for f, p in order], len(runs), unmatched, beyond)


@dataclass(frozen=True, slots=True)
class ReadyProblem:
    """A problem ready to run: the helpers of its prompt, its test, and how many arguments it passes.

    `inputs` are the arguments of its calls that are literals.
    """

    entry_point: str
    prelude: str
    test: str
    passes: frozenset[int]
    inputs: Sequence[Arguments] = ()

    @classmethod
    def of(cls, problem: Problem) -> "ReadyProblem":
        """The problem, parsed; one that no function fits where its test is no Python."""
        prompt, test = _parse(problem.prompt), _parse(problem.test)
        helpers = [n for n in prompt.body if _name_of(n) != problem.entry_point] if prompt else []
        prelude = _unparse(ast.Module(_suppress_imports(helpers), [])) if helpers else ""
        if test is None or not problem.entry_point.isidentifier():
            return cls("", prelude, problem.test, frozenset())
        checks = any(_name_of(node) == "check" for node in test.body)
        code = problem.test + (f"\n\ncheck({problem.entry_point})\n" if checks else "\n")
        called = {_CANDIDATE, problem.entry_point}
        return cls(problem.entry_point, prelude, code, _count_passed(test, called), read_inputs(test, called))

    def accepts(self, function: Function) -> bool:
        """Whether each call in the tests could be a call of `function`."""
        most = float("inf") if function.most is None else function.most
        return bool(self.entry_point) and all(function.least <= n <= most for n in self.passes)

    def place(self, source: str) -> str:
        """The module that holds a function, with the helpers of the prompt."""
        return _HEAD + self.prelude + source

    def test_as(self, name: str) -> str:
        """The tests of the function called `name` in the solution, under the item's own name for it."""
        return f"{self.prelude}\nfrom solution import {name} as {self.entry_point}\n{self.test}"


@lru_cache(maxsize=16_384)
def prepare_problem(problem: Problem) -> ReadyProblem:
    """The problem, ready to run: parsing it takes 2 ms, once, and not for every table of rows."""
    return ReadyProblem.of(problem)


def _find_blocks(content: str) -> Iterator[str]:
    """The fenced blocks that are or may be Python; of a text without fences what looks like code."""
    if "def " not in content or len(content) > _MAX_BLOCKS * _MAX_CHARS:
        return
    lines = content.split("\n")
    block: list[str] | None = None
    fenced = python = False
    for line in lines:
        if line.lstrip().startswith("```"):
            if block is not None and python:
                yield "\n".join(block)
            python = block is None and line.strip().strip("`").strip().lower() in _PYTHON
            block = [] if block is None else None
            fenced = True
        elif block is not None:
            block.append(line)
    if block is not None and python:  # a fence that the text never closes
        yield "\n".join(block)
    if not fenced:
        code = [line for line in lines if not line or line[0].isspace() or line.startswith(_CODE_STARTS)]
        yield content if _parse(content) is not None else "\n".join(code)


def _list_functions(block: str) -> Iterator[Function]:
    tree = _parse(block)
    source = _unparse(_keep_definitions(tree)) if tree else ""
    for node in tree.body if tree and source else []:
        if isinstance(node, ast.FunctionDef):
            yield from _describe(node, source)
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    bound = f"{source}{method.name} = {node.name}().{method.name}\n"
                    yield from _describe(method, bound, of_class=True)


def _parse(source: str) -> ast.Module | None:
    """The tree of a source, or None. The length bounds how deep a tree can be."""
    if not source.strip() or len(source) > _MAX_CHARS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on escape sequences of others
        try:
            return ast.parse(source)
        except _UNPARSABLE:
            return None


def _unparse(tree: ast.Module) -> str:
    try:
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    except (RecursionError, ValueError):
        return ""


def _keep_definitions(tree: ast.Module) -> ast.Module:
    """Imports, functions, classes and assignments; an import or assignment that fails is passed over."""
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kept.append(node)
        elif isinstance(node, ast.Import | ast.Assign | ast.AnnAssign) or (
            isinstance(node, ast.ImportFrom) and node.module != "__future__"
        ):
            kept += _suppress([node])
    return ast.Module(kept, [])


def _suppress_imports(nodes: list[ast.stmt]) -> list[ast.stmt]:
    return [s for n in nodes for s in (_suppress([n]) if isinstance(n, ast.Import | ast.ImportFrom) else [n])]


def _suppress(nodes: list[ast.stmt]) -> list[ast.stmt]:
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
    return [ast.Try(nodes, [handler], [], [])]


def _describe(node: ast.FunctionDef, source: str, *, of_class: bool = False) -> list[Function]:
    """The function, unless it cannot be called with positional arguments alone."""
    arguments = node.args
    if None in arguments.kw_defaults:
        return []
    own = of_class and not any(getattr(d, "id", None) == "staticmethod" for d in node.decorator_list)
    most = len(arguments.posonlyargs) + len(arguments.args) - own
    least = max(0, most - len(arguments.defaults))
    return [Function(node.name, least, None if arguments.vararg else max(0, most), source)]


def _count_passed(test: ast.Module, called: Collection[str]) -> frozenset[int]:
    """How many arguments the calls in a test pass; none where that cannot be read off."""
    nodes = ast.walk(test)
    calls = [n for n in nodes if isinstance(n, ast.Call) and getattr(n.func, "id", None) in called]
    if any(n.keywords or any(isinstance(a, ast.Starred) for a in n.args) for n in calls):
        return frozenset()
    return frozenset(len(n.args) for n in calls)


def _name_of(node: ast.stmt) -> str | None:
    return node.name if isinstance(node, ast.FunctionDef) else None


def _fold(name: str) -> str:
    return name.replace("_", "").casefold()
