"""A code pair as it stands in a row: the solution in its answer, tests and what they hold it to in `extra`.

    extra.code    {"task", "tests", "prelude", "reference", "relation", "language"}   of our generators
    extra.tests, extra.test                                                 a foreign row's own column

Nothing is run here.
"""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from synth_stack.rows.answers import read_answers

PYTHON, JAVASCRIPT = "python", "javascript"
SAME_CODE, OTHER_CODE = "same_code", "other_code"

MAX_SOURCE_CHARS = 20_000
"""Of a source that is parsed: it bounds the parser's time, and how deep a tree can be."""
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_PYTHON = frozenset({"", "python", "python3", "py"})
JAVASCRIPT_INFOS = frozenset({"javascript", "js", "jsx", "mjs", "cjs", "node", "ecmascript"})
"""The words after a fence, and in a column of a foreign row, that mean JavaScript."""
_OTHERS = frozenset(
    "typescript ts tsx java c cpp c++ csharp c# cs go golang rust rs ruby rb php swift kotlin kt".split()
)
"""Those of languages that nothing here runs."""
_LANGUAGE_COLUMNS = ("language", "lang", "programming_language")
_FENCE = 3
"""Backticks."""


@dataclass(frozen=True, slots=True)
class CodePair:
    """A solution and the tests that it has to pass.

    `prelude` stands before the solution: imports and helpers that its prompt gave. `reference`, where there
    is one, has to pass the same tests after the same prelude; `relation` says how the function that it
    defines differs in the solution: in its docstring alone (`same_code`), or in its code (`other_code`).
    """

    task: str
    solution: str
    tests: str
    prelude: str = ""
    reference: str | None = None
    relation: str | None = None
    language: str = PYTHON

    @property
    def program(self) -> str:
        """The module that is run."""
        return f"{self.prelude}\n{self.solution}"

    @property
    def reference_program(self) -> str | None:
        """The module that the reference makes, where there is one."""
        return None if self.reference is None else f"{self.prelude}\n{self.reference}"

    def as_extra(self) -> dict[str, Any]:
        """What `extra.code` holds: all but the solution, which is in the answer."""
        return {name: value for name, value in asdict(self).items() if name != "solution"}


def read_pairs(table: pa.Table) -> dict[int, CodePair]:
    """The pairs of a table by row, of any language; a row that is neither code nor foreign with tests has
    none.

    The language is what a row of ours says; of a foreign one what a column of it, or of its `meta`, says, and
    else what its fences say. Python is what nothing says otherwise of.
    """
    pairs = {}
    for row, kind, answer, held in read_answers(table):
        if kind not in {"code", "foreign"}:
            continue
        pair = _read_pair(kind, answer, held)
        if pair is not None:
            pairs[row] = pair
    return pairs


def find_fault(pair: CodePair) -> str | None:
    """What is wrong with a pair before anything is run, or None."""
    if not pair.solution.strip():
        return "no code: the answer holds none"
    if pair.language != PYTHON:  # only its runtime can parse it
        return None
    try:
        tree = parse_source(pair.solution)
    except SyntaxError as exc:
        return f"does not parse: {_describe(exc)}"
    try:
        if not parse_source(pair.tests).body:
            return "no tests: there is nothing that the solution has to pass"
    except SyntaxError as exc:
        return f"tests do not parse: {_describe(exc)}"
    return None if pair.relation is None else _compare(pair, tree)


def read_blocks(content: str, infos: frozenset[str] = _PYTHON) -> list[str]:
    """The fenced blocks of a text that are or may be Python, in order (CommonMark 0.31, section 4.5).

    Of another language are those with one of its `infos` after their fence.

    A fence of more backticks may hold one of fewer; a block that the text never closes goes to its end.
    """
    blocks: list[str] = []
    block: list[str] = []
    opened, python = 0, False
    for line in content.split("\n"):
        info = line.strip().lstrip("`")
        ticks = len(line.strip()) - len(info)
        if not opened and ticks >= _FENCE:
            opened, python, block = ticks, info.strip().lower() in infos, []
        elif opened and ticks >= opened and not info:
            blocks += ["\n".join(block)] if python else []
            opened = 0
        elif opened:
            block.append(line)
    return [*blocks, "\n".join(block)] if opened and python else blocks


def list_infos(content: str) -> list[str]:
    """The first words after the fences that open a block, in order."""
    infos, opened = [], 0
    for line in content.split("\n"):
        info = line.strip().lstrip("`")
        ticks = len(line.strip()) - len(info)
        if not opened and ticks >= _FENCE:
            opened = ticks
            infos.append(info.strip().lower())
        elif opened and ticks >= opened and not info:
            opened = 0
    return infos


def fence(source: str, info: str = PYTHON) -> str:
    """A source as a fenced block, which `read_blocks` gives back."""
    ticks = "`" * _FENCE
    while ticks in source:
        ticks += "`"
    return f"{ticks}{info}\n{source.strip()}\n{ticks}"


def find_function(tree: ast.Module, name: str | None = None) -> ast.FunctionDef | None:
    """The last function of that name at the top level of a module, or its last function at all."""
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and name in {None, n.name}]
    return found[-1] if found else None


def _read_pair(kind: str, answer: str, held: dict[str, Any]) -> CodePair | None:
    code = held.get("code") if kind == "code" and isinstance(held.get("code"), dict) else None
    tests = next((held[name] for name in ("tests", "test") if isinstance(held.get(name), str)), None)
    if kind == "foreign" and tests is None:
        return None
    if code is None:
        language = _find_language(answer, held)
        return CodePair("foreign", _read_solution(answer, language), tests or "", language=language)
    texts = {name: _text(code.get(name)) for name in ("task", "tests", "prelude")}
    reference, relation, language = (code.get(name) for name in ("reference", "relation", "language"))
    language = language if isinstance(language, str) and language else PYTHON
    return CodePair(
        solution=_read_solution(answer, language),
        reference=reference if isinstance(reference, str) else None,
        relation=relation if relation in {SAME_CODE, OTHER_CODE} and isinstance(reference, str) else None,
        language=language,
        **texts,
    )


def _read_solution(answer: str, language: str) -> str:
    """The code of an answer: its fenced blocks of the language, or all of it where it has no fence."""
    infos = JAVASCRIPT_INFOS | {""} if language == JAVASCRIPT else _PYTHON
    return "\n\n".join(read_blocks(answer, infos)) if "```" in answer else answer


def _find_language(answer: str, held: dict[str, Any]) -> str:
    """The language of a foreign row's code."""
    meta = held.get("meta")
    places = [held, meta if isinstance(meta, dict) else {}]
    said = [_text(place.get(name)).strip().lower() for place in places for name in _LANGUAGE_COLUMNS]
    for words in ([word for word in said if word], list_infos(answer)):
        if any(word in _PYTHON for word in words):
            return PYTHON
        if any(word in JAVASCRIPT_INFOS for word in words):
            return JAVASCRIPT
        if other := next((word for word in words if word in _OTHERS), None):
            return other
    return PYTHON


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _compare(pair: CodePair, tree: ast.Module) -> str | None:
    """Whether the function that the reference defines stands in the solution as the relation wants it."""
    try:
        before = find_function(parse_source(pair.reference or ""))
    except SyntaxError as exc:
        return f"no reference: it does not parse: {_describe(exc)}"
    after = find_function(tree, before.name) if before is not None else None
    if before is None or after is None:
        return f"function missing: the solution does not define {before.name if before else 'any'}"
    try:
        unchanged = _dump_bare(before) == _dump_bare(after)
    except RecursionError:
        return "does not parse: nested too deep"
    if pair.relation == OTHER_CODE:
        return "code unchanged: the solution is what it was asked to change" if unchanged else None
    if not unchanged:
        return "code changed: only the docstring was to be written again"
    same = ast.get_docstring(before) == ast.get_docstring(after)
    return "docstring unchanged: it is what it was" if same else None


def _dump_bare(function: ast.FunctionDef) -> str:
    """The function's tree without any docstring in it, as text."""
    return ast.dump(ast.Module(list(_strip(function.body)), [])) + ast.dump(function.args)


def _strip(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for k, statement in enumerate(body):
        if k or not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def _describe(exc: SyntaxError) -> str:
    return f"line {exc.lineno}: {exc.msg}" if exc.lineno else str(exc.msg)


def parse_source(source: str, *, max_chars: int = MAX_SOURCE_CHARS) -> ast.Module:
    """The tree of an untrusted source. Raises SyntaxError, whatever is wrong with it."""
    if len(source) > max_chars:
        raise SyntaxError(f"{len(source)} characters, at most {max_chars} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on somebody's escape sequences
            return ast.parse(source)
    except SyntaxError:
        raise
    except _UNPARSABLE as exc:
        raise SyntaxError(f"{exc or 'nested too deep'}") from exc
