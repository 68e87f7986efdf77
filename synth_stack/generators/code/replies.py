"""From what a teacher wrote to a solution and its tests; nothing in it is mended and nothing is run."""

import ast
import doctest
import re

from synth_stack.generators.code.languages import INFOS
from synth_stack.rows.code_pairs import PYTHON, find_function, parse_source, read_blocks

_DEFINED = re.compile(
    r"(?:export\s+(?:default\s+)?)?(?:(?:async\s+)?function\b|class\s|(?:const|let|var)\s+[\w$]+\s*=\s*"
    r"(?:async\b\s*)?(?:function\b|\([^)]*\)\s*=>|[\w$]+\s*=>))"
    r"|(?:module\.)?exports(?:\.[\w$]+)?\s*="
)
_METHOD = re.compile(
    r"(?:  |    |\t)(?:static\s+|async\s+|get\s+|set\s+|\*)*"
    r"(?!(?:if|for|while|switch|catch|return)\b)[\w$]+\([^)]*\)\s*\{"
)
_BODY = re.compile(r"\s*(?:\{[^}]*\}?|=>.*)\s*;?\s*$")
_CLASSES = ("class ", "export class ", "export default class ")
"""What a line of JavaScript defines at the top level, and in a class; what of it is body."""

_PROBLEM, _SOLUTION = "[Problem Description]", "[Solution]"


def read_problem(reply: str, language: str = PYTHON) -> tuple[str, str]:
    """The problem and the solution of an OSS-Instruct reply. Raises ValueError for one without sections.

    A reply that goes on after a prompt's own "[Problem Description]" need not say it again.
    """
    before, marker, solution = reply.partition(_SOLUTION)
    if not marker:
        raise ValueError("no [Solution] section")
    problem = before.rpartition(_PROBLEM)[2].strip().strip("*#:").strip()
    if not problem:
        raise ValueError("no [Problem Description] section")
    return problem, read_code(solution, language)


def read_code(reply: str, language: str = PYTHON) -> str:
    """The code of a reply: its fenced blocks of the language; of Python all of it where it has no fence.

    What is not Python is not parsed here: without a fence prose could not be told from code.
    """
    fenced = "```" in reply or language != PYTHON
    return ("\n\n".join(read_blocks(reply, INFOS[language])) if fenced else reply).strip()


def list_signatures(solution: str) -> str:
    """The functions of a solution without their bodies: what its tests may be written from.

    Raises ValueError for a solution that does not parse or defines no function.
    """
    try:
        tree = parse_source(solution)
    except SyntaxError as exc:
        raise ValueError(f"does not parse: {exc.msg}") from exc
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.append(_describe(node, ""))
        elif isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            found += [f"class {node.name}:", *(_describe(method, "    ") for method in methods)]
    if not found:
        raise ValueError("no function in it")
    return "\n".join(found)


def list_javascript_signatures(solution: str) -> str:
    """What a solution in JavaScript defines at its top level, without bodies, as far as lines can tell.

    Raises ValueError for one that defines nothing with a name.
    """
    found = []
    for line in solution.split("\n"):
        defined = _DEFINED.match(line)
        if defined is not None:
            found.append(_BODY.sub("", line).strip())
        elif found and _METHOD.match(line) and any(each.startswith(_CLASSES) for each in found):
            found.append("  " + _BODY.sub("", line).strip())
    if not found:
        raise ValueError("no function in it")
    return "\n".join(found)


def read_tests(reply: str, language: str) -> str:
    """The tests of a reply: as `read_code`, but all of it where it has no fence, whatever the language."""
    return read_code(reply, language if "```" in reply else PYTHON)


def read_examples(solution: str) -> str:
    """The examples in a solution's docstring as tests: one function of asserts, or nothing without examples.

    What an expression prints in an interactive session is its repr (doctest's rule); a traceback says which
    exception has to come; an example that prints by itself is passed over.
    """
    try:
        function = find_function(parse_source(solution))
        text = ast.get_docstring(function) if function is not None else None
        examples = doctest.DocTestParser().get_examples(text or "")
    except (SyntaxError, ValueError):
        return ""
    lines = [line for example in examples for line in _assert(example)]
    if not any(line.startswith("assert") for line in lines):
        return ""
    return "\n".join(["def test_examples_of_the_docstring():", *(f"    {line}" for line in lines), ""])


def _describe(function: ast.FunctionDef, indent: str) -> str:
    returns = f" -> {ast.unparse(function.returns)}" if function.returns is not None else ""
    return f"{indent}def {function.name}({ast.unparse(function.args)}){returns}: ..."


def _assert(example: doctest.Example) -> list[str]:
    """The lines that do what an example does and assert what it says."""
    source, want = example.source.strip(), example.want.strip()
    if not want:
        return source.split("\n")
    if example.exc_msg is not None:
        name = example.exc_msg.partition(":")[0].strip().rpartition(".")[2]
        body = [f"    {line}" for line in source.split("\n")]
        raised = "    raised = type(error).__name__"
        head, tail = ["raised = None", "try:"], ["except Exception as error:", raised]
        return [*head, *body, *tail, f"assert raised == {name!r}"]
    try:
        expression = ast.parse(source, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError):
        return []
    if isinstance(expression, ast.Call) and getattr(expression.func, "id", None) == "print":
        return []
    return [f"assert repr({ast.unparse(expression)}) == {want!r}"]
