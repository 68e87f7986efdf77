"""The names of Python packages and stubs, read from their text with `ast`: nothing is imported or run.

Where a name may come from somewhere that cannot be seen (a compiled module, a star import, `__getattr__`, a
base class of another package), nothing is said of it.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

_MAX_HOPS = 25
_DEPRECATED = re.compile(r"\A\[?deprecated\b|^\.\. deprecated::", re.IGNORECASE | re.MULTILINE)
"""The first word of a docstring, or Sphinx's directive at its margin: deeper ones are about a parameter."""
_WARNINGS = frozenset({"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"})
_KEEPING = frozenset(
    """staticmethod classmethod property abstractmethod overload cache lru_cache cached_property final
    override contextmanager asynccontextmanager deprecated wraps setter getter deleter
    runtime_checkable""".split()
)
"""Decorators after which a function still takes what it says."""
_FIELDS = frozenset({"dataclass", "dataclasses.dataclass", "attr.s", "attrs.define", "define"})
_TUPLES = frozenset({"NamedTuple", "typing.NamedTuple"})
_PLAIN_BASES = frozenset("object ABC abc.ABC Protocol Generic Exception ValueError RuntimeError".split())

SymbolSort = Literal["module", "class", "function", "value", "alias"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a function may be called with; `types` are the annotations as text."""

    positional: tuple[str, ...]
    positional_only: int
    keyword_only: tuple[str, ...]
    required: frozenset[str]
    any_positional: bool
    any_keyword: bool
    types: Mapping[str, str]


@dataclass(slots=True)
class Symbol:
    """A name of a package: what it is, where it is defined, and what is in it.

    `target` is what an alias stands for. `calls` are the ways to call it (several for overloads), None where
    that cannot be seen. `open` says that it may have members that are not seen.
    """

    sort: SymbolSort
    name: str
    file: str
    line: int
    start: int = 0
    target: str | None = None
    members: dict[str, "Symbol"] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)
    calls: list[Parameters] | None = None
    returns: str | None = None
    deprecated: bool = False
    open: bool = False
    bound: bool = False


@dataclass(slots=True)
class PythonIndex:
    """All modules by dotted name."""

    modules: dict[str, Symbol]
    roots: frozenset[str]

    def covers(self, dotted: str) -> bool:
        """Whether the package of a dotted name was read."""
        return dotted.partition(".")[0] in self.roots

    def find(self, dotted: str, hops: int = 0) -> "Symbol | Literal['missing', 'unseen']":
        """The symbol of a dotted name, "missing" where there is none, "unseen" where that cannot be known."""
        if not self.covers(dotted) or hops > _MAX_HOPS:
            return "unseen"
        parts = dotted.split(".")
        deepest = next(k for k in range(len(parts), 0, -1) if k == 1 or ".".join(parts[:k]) in self.modules)
        current = self.modules.get(".".join(parts[:deepest]))
        if current is None:
            return "unseen"
        for part in parts[deepest:]:
            found = self.find_member(current, part, hops + 1)
            if isinstance(found, str):
                return found
            current = found
        return self._follow(current, hops)

    def find_member(self, owner: Symbol, name: str, hops: int = 0) -> "Symbol | Literal['missing', 'unseen']":
        """What `name` is in a module or class, in its own body or that of its bases."""
        if hops > _MAX_HOPS:
            return "unseen"
        if name in owner.members:
            return self._follow(owner.members[name], hops)
        unseen = owner.open or (name.startswith("__") and name.endswith("__"))
        for base in owner.bases:
            if base in _PLAIN_BASES or base in _TUPLES:
                continue
            parent = self.find(base, hops + 1)
            if isinstance(parent, str):
                unseen = True
                continue
            found = self.find_member(parent, name, hops + 1)
            if not isinstance(found, str):
                return found
            unseen = unseen or found == "unseen"
        return "unseen" if unseen else "missing"

    def list_calls(self, owner: Symbol) -> list[Parameters] | None:
        """The ways to call a function or to make an object of a class; None where they cannot be seen."""
        if owner.sort == "function":
            return owner.calls
        if owner.sort != "class":
            return None
        if owner.calls is not None:
            return owner.calls
        made = self.find_member(owner, "__init__") if "__new__" not in owner.members else "unseen"
        return None if isinstance(made, str) or made.calls is None else made.calls

    def _follow(self, symbol: Symbol, hops: int) -> "Symbol | Literal['missing', 'unseen']":
        if symbol.sort != "alias" or symbol.target is None:
            return symbol
        found = self.find(symbol.target, hops + 1)
        return "unseen" if found == "missing" else found  # a conditional import, say: nothing is said of it


def index_python(files: Iterable[tuple[str, str, str]], compiled: Sequence[str] = ()) -> PythonIndex:
    """The index of files given as (name, dotted module, text); of a module and its stub the stub counts.

    A file that is no Python is a module whose names are not seen; so is a `compiled` module.
    """
    modules: dict[str, Symbol] = {}
    for name, dotted, text in sorted(files, key=lambda f: (f[1], f[0].endswith(".pyi"))):
        tree = _parse(text)
        if tree is None:
            modules.setdefault(dotted, Symbol("module", dotted, name, 1, open=True))
            continue
        is_package = name.rpartition("/")[2].startswith("__init__.")
        modules[dotted] = _read_module(tree, name, dotted, is_package, text)
    for dotted in compiled:
        modules.setdefault(dotted, Symbol("module", dotted, dotted, 1, open=True))
    for dotted in list(modules):
        parent, _, last = dotted.rpartition(".")
        if parent in modules:
            modules[parent].members.setdefault(last, modules[dotted])
    return PythonIndex(modules, frozenset(dotted.partition(".")[0] for dotted in modules))


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes that a later Python forbids
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read_module(tree: ast.Module, file: str, dotted: str, is_package: bool, text: str) -> Symbol:
    module = Symbol("module", dotted, file, 1)
    module.deprecated = bool(_DEPRECATED.search(ast.get_docstring(tree) or ""))
    package = dotted if is_package else dotted.rpartition(".")[0]
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    _read_body(tree.body, module, dotted, package, starts)
    module.open = module.open or "__getattr__" in module.members or "globals()" in text
    return module


def _read_body(
    body: Iterable[ast.stmt], owner: Symbol, dotted: str, package: str, starts: Sequence[int]
) -> None:
    for node in _flatten(body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _add_function(node, owner, starts)
        elif isinstance(node, ast.ClassDef):
            owner.members[node.name] = _read_class(node, owner, dotted, package, starts)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                target = alias.name if alias.asname else name
                owner.members.setdefault(name, Symbol("alias", name, owner.file, node.lineno, target=target))
        elif isinstance(node, ast.ImportFrom):
            source = _resolve(node, package)
            for alias in node.names:
                if alias.name == "*":
                    owner.bases.append(source)
                    continue
                name = alias.asname or alias.name
                made = Symbol("alias", name, owner.file, node.lineno, target=f"{source}.{alias.name}")
                owner.members.setdefault(name, made)
        else:
            for name in _list_bound(node):
                owner.members.setdefault(name, Symbol("value", name, owner.file, node.lineno, open=True))


def _flatten(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body and of the branches in it, those of functions and classes aside."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                yield from _flatten(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _flatten(handler.body)
        if not isinstance(node, ast.If | ast.Try):
            yield node


def _list_bound(node: ast.stmt) -> Iterator[str]:
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For):
        for target in targets:
            yield from (
                (n.id for n in ast.walk(target) if isinstance(n, ast.Name)) if target is not None else ()
            )
    elif isinstance(node, ast.With):
        for item in node.items:
            if isinstance(item.optional_vars, ast.Name):
                yield item.optional_vars.id
    elif hasattr(ast, "TypeAlias") and isinstance(node, ast.TypeAlias):
        yield node.name.id


def _resolve(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


def _add_function(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: Symbol, starts: Sequence[int]) -> None:
    names = [_name(decorator) for decorator in node.decorator_list]
    last = [name.rpartition(".")[2] for name in names]
    known = all(name in _KEEPING for name in last)
    is_property = any(name in {"property", "cached_property", "setter"} for name in last)
    made = Symbol("value" if is_property else "function", node.name, owner.file, node.lineno)
    made.start = starts[min(node.lineno, len(starts)) - 1]
    made.open = is_property
    made.bound = owner.sort == "class" and "staticmethod" not in last
    made.calls = [_read_parameters(node.args, made.bound)] if known and not is_property else None
    made.returns = ast.unparse(node.returns) if node.returns is not None and not is_property else None
    made.deprecated = "deprecated" in last or _warns(node)
    before = owner.members.get(node.name)
    if "overload" in last and before is not None and before.calls is not None and made.calls is not None:
        made.calls = before.calls + made.calls
    elif before is not None and before.sort == "function" and before.calls != made.calls:
        # defined again, by version say: any of them may be the one
        both = before.calls is not None and made.calls is not None
        made.calls = [*(before.calls or ()), *(made.calls or ())] if both else None
    owner.members[node.name] = made


def _read_class(
    node: ast.ClassDef, owner: Symbol, dotted: str, package: str, starts: Sequence[int]
) -> Symbol:
    made = Symbol("class", node.name, owner.file, node.lineno)
    made.start = starts[min(node.lineno, len(starts)) - 1]
    decorators = [_name(each) for each in node.decorator_list]
    made.deprecated = any("deprecated" in each for each in decorators) or bool(
        _DEPRECATED.search(ast.get_docstring(node) or "")
    )
    _read_body(node.body, made, dotted, package, starts)
    bases = [_name(base) for base in node.bases]
    made.bases = [_qualify(base, owner, dotted) for base in bases]
    made.open = "__getattr__" in made.members or "__getattribute__" in made.members or bool(node.keywords)
    made.open = made.open or any(each not in _FIELDS and "deprecated" not in each for each in decorators)
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Attribute)
            and isinstance(inner.ctx, ast.Store)
            and _name(inner.value) in {"self", "cls"}
        ):
            made.members.setdefault(
                inner.attr, Symbol("value", inner.attr, owner.file, inner.lineno, open=True)
            )
    if "__slots__" in made.members:
        for inner in ast.walk(node):
            if (
                isinstance(inner, ast.Constant)
                and isinstance(inner.value, str)
                and inner.value.isidentifier()
            ):
                made.members.setdefault(
                    inner.value, Symbol("value", inner.value, owner.file, inner.lineno, open=True)
                )
    if _TUPLES.intersection(bases) or (_FIELDS.intersection(decorators) and not made.bases):
        made.calls = [_read_fields(node)]
        made.open = made.open or bool(_TUPLES.intersection(bases))
    return made


def _qualify(base: str, owner: Symbol, dotted: str) -> str:
    """The dotted name of a base class as the module of the class sees it."""
    if base in _PLAIN_BASES or base in _TUPLES or not base:
        return base or "?"
    return f"{dotted}.{base}" if base.partition(".")[0] in owner.members or owner.sort == "module" else base


def _read_fields(node: ast.ClassDef) -> Parameters:
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
    names = tuple(n.target.id for n in fields if isinstance(n.target, ast.Name))
    types = {n.target.id: ast.unparse(n.annotation) for n in fields if isinstance(n.target, ast.Name)}
    return Parameters(names, 0, (), frozenset(), False, False, types)


def _read_parameters(args: ast.arguments, bound: bool) -> Parameters:
    positional = [*args.posonlyargs, *args.args]
    required = [a.arg for a in positional[: len(positional) - len(args.defaults)]]
    required += [a.arg for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is None]
    skipped = positional[:1] if bound else []
    every = [a for a in [*positional, *args.kwonlyargs] if a not in skipped]
    return Parameters(
        tuple(a.arg for a in positional if a not in skipped),
        max(0, len(args.posonlyargs) - len(skipped)),
        tuple(a.arg for a in args.kwonlyargs),
        frozenset(required).difference(a.arg for a in skipped),
        args.vararg is not None,
        args.kwarg is not None,
        {a.arg: ast.unparse(a.annotation) for a in every if a.annotation is not None},
    )


def _warns(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function says of itself that it is deprecated: in its docstring, or by a warning always
    given.
    """
    if _DEPRECATED.search(ast.get_docstring(node) or ""):
        return True
    for statement in node.body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and _name(call.func) in {"warnings.warn", "warn"}:
            given = [_name(each) for each in [*call.args, *(k.value for k in call.keywords)]]
            if _WARNINGS.intersection(given):
                return True
    return False


def _name(node: ast.AST) -> str:
    """The dotted name that an expression is, "" for another expression; of a call what is called."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Attribute):
        before = _name(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""
