"""Functions of a source file that can be shown to a teacher, and those among them that can be run alone."""

import ast
import builtins
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from synth_stack.rows.canonical import derive_seed
from synth_stack.rows.code_pairs import parse_source

PURE_MODULES = frozenset(
    """__future__ abc array base64 binascii bisect calendar cmath collections colorsys copy dataclasses
    datetime decimal difflib enum fractions functools hashlib heapq html itertools json keyword math numbers
    operator re statistics string struct textwrap types typing unicodedata""".split()
)
"""Standard library modules that read and write nothing: what a runnable function may import."""

MAX_PRELUDE_LINES = 60
_REACHING_OUT = frozenset(
    "open input print exec eval compile __import__ globals locals vars breakpoint exit quit help".split()
)
_BUILTINS = frozenset(dir(builtins)) - _REACHING_OUT
_HELD = ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.FunctionDef


@dataclass(frozen=True, slots=True)
class Snippet:
    """A function as it stands in a file, its first line counted from 1.

    `stub` is its signature and docstring, where it has a docstring. `prelude` holds the imports, constants
    and helpers that it needs, in the order of the file; None where it needs more than can be run alone.
    """

    function: str
    line: int
    source: str
    stub: str | None
    prelude: str | None


MAX_SHOWN_LINES = 15
"""OSS-Instruct shows 1 to 15 consecutive lines (Wei et al. 2023, arXiv:2312.02120, section 2.1)."""
MAX_LINE_CHARS = 500
"""Longer ones are data, or code that was made small for machines."""
_PER_FILE = 8
"""Stretches of one file that may be shown; the paper takes one of each of its 80,000 documents."""


def cut_lines(source: str, name: str) -> list[Snippet]:
    """Up to 8 stretches of 1 to 15 lines of a source of any language, drawn by `name`, without blank ends."""
    lines = source.split("\n")
    found: dict[str, Snippet] = {}
    for k in range(_PER_FILE):
        start = derive_seed(0, "lines", name, k, "start") % len(lines)
        count = 1 + derive_seed(0, "lines", name, k, "count") % MAX_SHOWN_LINES
        taken = lines[start : start + count]
        while taken and not taken[0].strip():
            start, taken = start + 1, taken[1:]
        text = textwrap.dedent("\n".join(taken).rstrip())
        if any(map(str.isalnum, text)) and max(map(len, taken)) <= MAX_LINE_CHARS:
            found.setdefault(text, Snippet("", start + 1, text, None, None))
    return sorted(found.values(), key=lambda snippet: snippet.line)


def find_snippets(source: str, *, min_lines: int, max_lines: int) -> list[Snippet]:
    """The functions of a source with so many lines, methods included, in order.

    One that takes or gives nothing cannot be tested and has no prelude. Raises SyntaxError for what cannot be
    parsed.
    """
    tree = parse_source(source, max_chars=len(source))  # the pool bounds its files
    lines = source.split("\n")
    bound = [(name, node) for node in tree.body if isinstance(node, _HELD) for name in _list_bound(node)]
    times = Counter(name for name, _ in bound)
    homes = {name: node for name, node in bound if times[name] == 1}  # which one of several counts is a guess
    found = []
    for node, top in _walk_functions(tree):
        end = node.end_lineno or node.lineno
        if min_lines <= end - node.lineno + 1 <= max_lines:
            text = textwrap.dedent("\n".join(lines[node.lineno - 1 : end]))
            prelude = _gather_prelude(node, homes, lines) if top else None
            found.append(Snippet(node.name, node.lineno, text, _make_stub(node, text), prelude))
    return found


def _walk_functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, bool]]:
    """Functions, and whether each stands at the top level; dunder methods and tests left out."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inner:
            if isinstance(function, ast.FunctionDef) and not function.name.startswith(("__", "test")):
                yield function, function is node


def _list_bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _gather_prelude(node: ast.FunctionDef, homes: Mapping[str, ast.stmt], lines: list[str]) -> str | None:
    """The source of everything at the top level that the function needs, or None."""
    if not _is_testable(node):
        return None
    needed: dict[int, ast.stmt] = {}
    waiting: list[ast.stmt] = [node]
    seen = {node.name}
    while waiting:
        for name in _list_used(waiting.pop()):
            if name in seen or (name in _BUILTINS and name not in homes):
                continue
            home = homes.get(name)
            if home is None or not _is_pure(home):
                return None
            seen.add(name)
            needed[home.lineno] = home
            waiting.append(home)
    parts = ["\n".join(lines[n.lineno - 1 : n.end_lineno]) for _, n in sorted(needed.items())]
    text = "\n".join(f"\n{part}\n" if "\n" in part else part for part in parts).strip()
    return text if text.count("\n") < MAX_PRELUDE_LINES else None


def _is_testable(node: ast.FunctionDef) -> bool:
    """Whether the function takes something and gives something, and no decorator makes it another."""
    arguments = node.args
    takes = arguments.posonlyargs or arguments.args or arguments.vararg
    gives = any(isinstance(n, ast.Return) and n.value is not None for n in ast.walk(node))
    return bool(takes) and gives and not node.decorator_list


def _is_pure(node: ast.stmt) -> bool:
    """Whether a statement of a module may stand in a prelude."""
    if isinstance(node, ast.Import):
        return all(alias.name.split(".")[0] in PURE_MODULES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").split(".")[0] in PURE_MODULES
    if isinstance(node, ast.FunctionDef):
        return not node.decorator_list
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return not read & set(_list_bound(node))  # it goes on from a value that is bound elsewhere


def _list_used(node: ast.stmt) -> set[str]:
    """The names that a statement reads and does not bind itself, in whatever scope within it."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return set()
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    bound = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    bound |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    bound |= {n.name for n in ast.walk(node) if isinstance(n, ast.ExceptHandler) and n.name}
    bound |= {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    outer = {name for n in ast.walk(node) if isinstance(n, ast.Global) for name in n.names}
    outer |= {n.id for n in _walk_defaults(node) if isinstance(n, ast.Name)}  # read outside of the function
    return {n.id for n in names if isinstance(n.ctx, ast.Load)} - (bound - outer)


def _walk_defaults(node: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef):
        for default in (*node.args.defaults, *node.args.kw_defaults):
            yield from ast.walk(default) if default is not None else ()


def _make_stub(node: ast.FunctionDef, text: str) -> str | None:
    """The lines up to the end of the docstring."""
    if not ast.get_docstring(node) or len(node.body) < 2:
        return None
    end = node.body[0].end_lineno or node.body[0].lineno
    return "\n".join(text.split("\n")[: end - node.lineno + 1])
