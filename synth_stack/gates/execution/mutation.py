"""Mutants of a Python source: copies with one small fault each, such as a programmer could have made.

The operators are those that Offutt et al. 1996 (ACM TOSEM 5(2), section 5) found to be sufficient, as far as
Python has them (relational, arithmetic and logical operators, constants and signs), with the deletion of
statements (Deng, Offutt and Li 2013, ICST). Only an assignment to a name is never deleted: the next line
would then fail without it, with any test. Nothing is run here.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from synth_stack.rows.code_pairs import _UNPARSABLE, parse_source
from synth_stack.sandbox.modes import CHANGED, INNER, NOTHING, REAL

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


_CHANGED_RUNS = (
    (NOTHING, "its functions do nothing"),
    (CHANGED, "its functions give other results"),
    (INNER, "what its functions return does nothing"),
)

_COMPARING = frozenset("__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__".split())
"""Methods by which an object says itself that it is the right one."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed source, the line of the original that is changed, and the change in words.

    Where the source is as it was and another way to run it is the change, that is `mode`, and there is no
    line.
    """

    source: str
    line: int | None
    change: str
    mode: bytes = REAL


def list_changed_runs(source: str) -> list[Mutant]:
    """The mutants of JavaScript, which is not parsed here: the same source, run in another way."""
    return [Mutant(source, None, change, mode) for mode, change in _CHANGED_RUNS]


@dataclass(frozen=True, slots=True)
class _Edit:
    """`new` in the place of a node: `holder`'s field `field`, at `index` where that is a list."""

    holder: ast.AST
    field: str
    index: int | None
    new: ast.AST
    line: int
    change: str

    def apply(self) -> ast.AST:
        """Put `new` in its place and return what stood there."""
        value = getattr(self.holder, self.field)
        if self.index is None:
            setattr(self.holder, self.field, self.new)
            return value  # type: ignore[no-any-return]  # a field that holds a node
        old: ast.AST = value[self.index]
        value[self.index] = self.new
        return old

    def undo(self, old: ast.AST) -> None:
        """Put `old` back."""
        if self.index is None:
            setattr(self.holder, self.field, old)
        else:
            getattr(self.holder, self.field)[self.index] = old


def make_mutants(source: str, tests: str, most: int) -> list[Mutant]:
    """Up to `most` mutants of a source, spread evenly over what its tests name; no two alike.

    The same for the same source. Only functions and classes that the tests name are changed, and of a class
    not how its objects compare: a mutant that dies elsewhere shows nothing of what is tested. Docstrings,
    annotations, decorators, imports and format strings are not changed. A source or tests that cannot be
    parsed, or where there is nothing to change, have none.
    """
    try:
        tree = parse_source(source)
        seen = {ast.unparse(tree)}
        tested = _find_tested(tree, parse_source(tests))
    except _UNPARSABLE:
        return []
    edits = sorted(_find_edits(tested), key=lambda edit: (edit.line, edit.change))
    mutants: list[Mutant] = []
    for edit in _spread(edits, most):
        old = edit.apply()
        text = ast.unparse(ast.fix_missing_locations(tree))
        edit.undo(old)
        if text not in seen:
            seen.add(text)
            mutants.append(Mutant(text, edit.line, edit.change))
    return mutants


def _spread(edits: list[_Edit], most: int) -> list[_Edit]:
    if len(edits) <= most:
        return edits
    return [edits[k * len(edits) // most] for k in range(most)]


def _find_tested(tree: ast.Module, tests: ast.Module) -> list[ast.AST]:
    """The top-level functions, classes and assigned functions of a source that its tests name."""
    named = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name)}
    named |= {node.attr for node in ast.walk(tests) if isinstance(node, ast.Attribute)}
    named |= {
        name.name for node in ast.walk(tests) if isinstance(node, ast.ImportFrom) for name in node.names
    }
    return [node for node in tree.body if named & set(_list_names(node))]


def _list_names(node: ast.stmt) -> list[str]:
    """What a statement binds: the name of a function or class, or those that an assignment gives."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _find_edits(tested: list[ast.AST]) -> Iterator[_Edit]:
    waiting = list(tested)
    while waiting:
        holder = waiting.pop()
        for field, value in ast.iter_fields(holder):
            if field in {"annotation", "returns", "decorator_list", "type_comment"}:
                continue
            children = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, child in children:
                if not isinstance(child, ast.AST) or _is_kept(child):
                    continue
                line = getattr(child, "lineno", 0)
                for new, change in _change(child, holder, field):
                    yield _Edit(holder, field, index, new, line, change)
                waiting.append(child)


def _is_kept(node: ast.AST) -> bool:
    """Whether a node stays as it is: a docstring, an import, a format string, how objects compare."""
    if isinstance(node, ast.FunctionDef):
        return node.name in _COMPARING
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr)


def _change(node: ast.AST, holder: ast.AST, field: str) -> Iterator[tuple[ast.AST, str]]:
    """The nodes that a fault could put in the place of `node`, each with the change in words."""
    if isinstance(node, ast.stmt):
        yield from _change_statement(node)
    elif isinstance(node, ast.expr):
        yield from _change_expression(node)
        if field == "test" and isinstance(holder, ast.If | ast.IfExp):
            yield ast.UnaryOp(ast.Not(), node), "condition negated"


def _change_statement(node: ast.stmt) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.AugAssign) and (swapped := _ARITHMETIC.get(type(node.op))):
        yield ast.AugAssign(node.target, swapped(), node.value), _say(node.op, swapped())
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None)), "returns None"
    elif _can_be_dropped(node):
        yield ast.Pass(), "statement dropped"


def _can_be_dropped(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Subscript | ast.Attribute) for target in node.targets)
    return isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))


def _change_expression(node: ast.expr) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.Compare):
        yield from _change_comparison(node)
    elif isinstance(node, ast.BinOp) and (swapped := _ARITHMETIC.get(type(node.op))):
        if not (isinstance(node.op, ast.Mod) and _is_text(node.left)):  # formatting: it would only fail
            yield ast.BinOp(node.left, swapped(), node.right), _say(node.op, swapped())
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values), _say(node.op, other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand, f"{type(node.op).__name__} dropped"
    elif isinstance(node, ast.Constant):
        yield from _change_constant(node)


def _change_comparison(node: ast.Compare) -> Iterator[tuple[ast.AST, str]]:
    for k, op in enumerate(node.ops):
        swapped = _COMPARISONS[type(op)]()
        ops = [*node.ops[:k], swapped, *node.ops[k + 1 :]]
        yield ast.Compare(node.left, ops, node.comparators), _say(op, swapped)


def _change_constant(node: ast.Constant) -> Iterator[tuple[ast.AST, str]]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value), f"{value} to {not value}"
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1), "number plus one"
    elif isinstance(value, str):
        yield ast.Constant(value + "x"), "text longer"


def _say(old: ast.AST, new: ast.AST) -> str:
    return f"{type(old).__name__} to {type(new).__name__}"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
