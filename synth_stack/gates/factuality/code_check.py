"""Python in answers against the packages that were read: syntax, imports, names, parameters, simple types."""

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from synth_stack.gates.factuality.python_index import Parameters, PythonIndex, Symbol

CodeSort = Literal[
    "syntax", "invented_name", "invented_parameter", "deprecated_name", "wrong_argument", "known"
]

MAX_CODE_CHARS = 50_000
_BLOCK = re.compile(
    r"^ {0,3}```[ \t]*(?P<tag>[\w+-]*)[^\n]*\n(?P<code>.*?)(?:^ {0,3}```|\Z)", re.DOTALL | re.MULTILINE
)
_PYTHON = frozenset({"python", "py", "python3", "pycon", "py3"})
_INLINE = re.compile(r"(?<!`)`([A-Za-z_][\w.]{2,120})(?:\([^`()\n]{0,200}\))?`(?!`)")
_PROMPT = re.compile(r"^(?:>>>|\.\.\.) ?", re.MULTILINE)
_LITERALS: dict[str, set[type]] = {
    "int": {int},
    "str": {str},
    "bool": {bool},
    "bytes": {bytes},
    "float": {int, float},
    "list": {list},
    "dict": {dict},
}
"""Annotations that a literal can be held against (PEP 484: an int is fine for a float)."""


class CodeFinding(NamedTuple):
    """What is said of a piece of code: `name` is what was checked, `known` a name that is as the package has
    it.

    `start` and `end` are places in the message; `file` and `line` say where the package decides it.
    """

    sort: CodeSort
    name: str
    said: str
    start: int
    end: int
    file: str | None = None
    line: int | None = None
    path: str = ""
    """The message, as evidence names it."""


class _Kind(NamedTuple):
    """What an expression is: a module, class or function itself, or an object of a class."""

    symbol: Symbol
    instance: bool


def check_code(index: PythonIndex | None, text: str) -> list[CodeFinding]:
    """What is found in the Python blocks of a message and in the dotted names between backquotes."""
    if "`" not in text:
        return []
    found: list[CodeFinding] = []
    for match in _BLOCK.finditer(text):
        if match["tag"].lower() in _PYTHON:
            found += _check_block(index, match["code"][:MAX_CODE_CHARS], match.start("code"))
    if index is not None:
        plain = _BLOCK.sub(lambda block: " " * len(block[0]), text)
        for match in _INLINE.finditer(plain):
            found += _check_dotted(index, match[1], match.start(1))
    return found


def _check_block(index: PythonIndex | None, code: str, start: int) -> list[CodeFinding]:
    if not code.strip():
        return []
    plain = code
    if ">>>" in code:
        lines = [line for line in code.splitlines() if line.startswith((">>>", "..."))]
        plain = _PROMPT.sub("", "\n".join(lines))
    tree = _parse(plain)
    if isinstance(tree, str):
        return [CodeFinding("syntax", code.strip()[:80], tree, start, start + len(code))]
    if index is None:
        return []
    reader = _Reader(index, start, code)
    reader.read(tree.body, {})
    return reader.found


def _parse(code: str) -> ast.Module | str:
    """The tree, or why there is none. What needs a frame (indented lines, a bare `return` or `await`) gets
    one.
    """
    problem = ""
    for attempt in (
        code,
        textwrap.dedent(code),
        "async def _():\n" + textwrap.indent(textwrap.dedent(code), " "),
    ):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(attempt)
        except SyntaxError as exc:
            problem = problem or f"line {exc.lineno}: {exc.msg}"
        except (ValueError, RecursionError, MemoryError) as exc:
            problem = problem or type(exc).__name__
    return problem


def _check_dotted(index: PythonIndex, dotted: str, start: int) -> Iterator[CodeFinding]:
    """A name in running text: it counts where it begins with a package that was read."""
    dotted = dotted.rstrip(".")
    if "." not in dotted or not index.covers(dotted):
        return
    found = index.find(dotted)
    end = start + len(dotted)
    if found == "missing":
        yield CodeFinding("invented_name", dotted, f"there is no {dotted}", start, end)
    elif not isinstance(found, str):
        sort: CodeSort = "deprecated_name" if found.deprecated else "known"
        said = f"{dotted} is deprecated" if found.deprecated else ""
        yield CodeFinding(sort, dotted, said, start, end, found.file, found.line)


class _Reader:
    """Walks a block in order and keeps what its names stand for; a name of two meanings stands for
    nothing.
    """

    def __init__(self, index: PythonIndex, start: int, code: str) -> None:
        self.found: list[CodeFinding] = []
        self._index = index
        self._start = start
        self._end = start + len(code)

    def read(self, body: Sequence[ast.stmt], names: dict[str, _Kind]) -> None:
        for node in body:
            self._read_statement(node, names)

    def _read_statement(self, node: ast.stmt, names: dict[str, _Kind]) -> None:
        match node:
            case ast.Import() | ast.ImportFrom():
                self._read_import(node, names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._read_definition(node, names)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._bind(name, self._type(value, names), names)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    kind = self._type(item.context_expr, names)
                    if isinstance(item.optional_vars, ast.Name):
                        self._bind(item.optional_vars.id, self._enter(kind), names)
                self.read(node.body, names)
            case _:
                self._read_other(node, names)

    def _read_definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, names: dict[str, _Kind]
    ) -> None:
        names.pop(node.name, None)
        for decorator in node.decorator_list:
            self._type(decorator, names)
        inner = dict(names)
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                self._type(base, names)
        else:
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    inner.pop(argument.arg, None)
        self.read(node.body, inner)

    def _read_other(self, node: ast.stmt, names: dict[str, _Kind]) -> None:
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store | ast.Del):
                names.pop(name.id, None)
        for _, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.expr):
                    self._type(child, names)
                elif isinstance(child, ast.stmt):
                    self._read_statement(child, names)
                elif isinstance(child, ast.ExceptHandler | ast.match_case):
                    self.read(child.body, names)

    def _read_import(self, node: ast.Import | ast.ImportFrom, names: dict[str, _Kind]) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                bound, dotted = alias.asname or alias.name.partition(".")[0], alias.name
            elif node.level or alias.name == "*":
                continue
            else:
                bound, dotted = alias.asname or alias.name, f"{node.module}.{alias.name}"
            names.pop(bound, None)
            if not self._index.covers(dotted):
                continue
            found = self._index.find(dotted)
            self._note(found, dotted)
            if isinstance(node, ast.Import) and not alias.asname:
                found = self._index.find(bound)
            if not isinstance(found, str):
                names[bound] = _Kind(found, instance=False)

    def _bind(self, name: str, kind: _Kind | None, names: dict[str, _Kind]) -> None:
        names.pop(name, None)
        if kind is not None:
            names[name] = kind

    def _type(self, node: ast.expr, names: dict[str, _Kind]) -> _Kind | None:
        """What an expression is, all in it checked on the way."""
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute):
            return self._type_attribute(node, names)
        if isinstance(node, ast.Call):
            return self._type_call(node, names)
        if isinstance(node, ast.Await):
            return self._type(node.value, names)
        hidden = {a.arg for a in node.args.args} if isinstance(node, ast.Lambda) else set()
        hidden |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        inner = {name: kind for name, kind in names.items() if name not in hidden}
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._type(child, inner)
            elif isinstance(child, ast.comprehension):
                for each in (child.iter, *child.ifs):
                    self._type(each, inner)
        return None

    def _type_attribute(self, node: ast.Attribute, names: dict[str, _Kind]) -> _Kind | None:
        owner = self._type(node.value, names)
        if owner is None or isinstance(node.ctx, ast.Store):
            return None
        if owner.symbol.sort not in {"module", "class"}:
            return None
        found = self._index.find_member(owner.symbol, node.attr)
        shown = f"{owner.symbol.name}.{node.attr}"
        self._note(found, shown)
        if isinstance(found, str):
            return None
        return _Kind(found, instance=False)

    def _type_call(self, node: ast.Call, names: dict[str, _Kind]) -> _Kind | None:
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self._type(argument, names)
        called = self._type(node.func, names)
        if called is None or called.instance:
            return None
        calls = self._index.list_calls(called.symbol)
        if calls:
            self._check_call(node, called, calls)
        if called.symbol.sort == "class":
            return _Kind(called.symbol, instance=True)
        return self._find_returned(called.symbol)

    def _find_returned(self, function: Symbol) -> _Kind | None:
        """The class that a function's annotation names, as its own module sees it."""
        name = (function.returns or "").strip("\"'")
        if function.sort != "function" or not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            return None
        modules = [m for m in self._index.modules.values() if m.file == function.file and m.sort == "module"]
        found = self._index.find(f"{modules[0].name}.{name}") if modules else "unseen"
        return _Kind(found, instance=True) if not isinstance(found, str) and found.sort == "class" else None

    def _enter(self, kind: _Kind | None) -> _Kind | None:
        """What `with` binds: the object itself, where its class says so."""
        if kind is None or not kind.instance:
            return None
        entered = self._index.find_member(kind.symbol, "__enter__")
        if isinstance(entered, str):
            entered = self._index.find_member(kind.symbol, "__aenter__")
        said = "" if isinstance(entered, str) else (entered.returns or "").strip("\"'")
        return kind if said in {"Self", "typing.Self", kind.symbol.name, "T", "U"} else None

    def _check_call(self, node: ast.Call, called: _Kind, calls: Sequence[Parameters]) -> None:
        shown = ast.unparse(node.func)
        problems = [_find_problem(node, parameters, shown) for parameters in calls]
        if all(problem is not None for problem in problems):
            sort, name, said = next(problem for problem in problems if problem is not None)
            self._add(sort, name, said, called.symbol)

    def _note(self, found: "Symbol | str", dotted: str) -> None:
        if found == "missing":
            self._add("invented_name", dotted, f"there is no {dotted}", None)
        elif isinstance(found, Symbol):
            sort: CodeSort = "deprecated_name" if found.deprecated else "known"
            self._add(sort, dotted, f"{dotted} is deprecated" if found.deprecated else "", found)

    def _add(self, sort: CodeSort, name: str, said: str, symbol: Symbol | None) -> None:
        place = (symbol.file, symbol.line) if symbol is not None else (None, None)
        self.found.append(CodeFinding(sort, name, said, self._start, self._end, *place))


def _find_problem(node: ast.Call, parameters: Parameters, shown: str) -> tuple[CodeSort, str, str] | None:
    """Why a call does not fit the parameters: a name that there is not, too many arguments, a wrong
    literal.
    """
    known = {*parameters.positional[parameters.positional_only :], *parameters.keyword_only}
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in known and not parameters.any_keyword:
            name = f"{shown}({keyword.arg}=)"
            return "invented_parameter", name, f"{shown} has no parameter {keyword.arg}"
    starred = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
    if not starred:
        if len(node.args) > len(parameters.positional) and not parameters.any_positional:
            most = len(parameters.positional)
            return (
                "wrong_argument",
                shown,
                f"{shown} takes up to {most} arguments by place, and {len(node.args)} are given",
            )
        given = {*parameters.positional[: len(node.args)], *(k.arg for k in node.keywords)}
        if lacking := sorted(parameters.required - given):
            return "wrong_argument", shown, f"{shown} needs {', '.join(lacking)}"
    pairs = [*zip(parameters.positional, node.args, strict=False)]
    pairs += [(k.arg, k.value) for k in node.keywords if k.arg is not None]
    for name, value in pairs:
        fits = _LITERALS.get(parameters.types.get(name, ""))
        kind = _literal_type(value)
        if fits is not None and kind is not None and kind not in fits:
            said = f"{shown} takes {parameters.types[name]} as {name}, and {kind.__name__} is given"
            return "wrong_argument", f"{shown}({name}=)", said
    return None


def _literal_type(node: ast.expr) -> type | None:
    if isinstance(node, ast.Constant) and node.value is not None and node.value is not ...:
        return type(node.value)
    displays: dict[type[ast.expr], type] = {ast.List: list, ast.Dict: dict}
    return displays.get(type(node))
