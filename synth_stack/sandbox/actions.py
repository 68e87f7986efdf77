"""What one process may ask of the other, and how it is done there."""

import asyncio
import builtins
import copy
import enum
import functools
import math
import operator
import random
import types
from collections.abc import Callable, Sequence
from typing import Any

from synth_stack.sandbox.mirrors import SPECIALS

_HIDDEN = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
    types.CodeType,
    types.ModuleType,
    functools.partial,
)
"""What a strict side never lets the other look into: the frames and names of the tests are behind them."""


def perform(what: str, values: Sequence[Any], *, strict: bool) -> Any:
    """What comes of it; `strict`: nothing is done that shows or changes more than was given."""
    if strict:
        _guard(what, values)
    return _ACTIONS[what](*values)


def _guard(what: str, values: Sequence[Any]) -> None:
    """Refuse what would let the other side see or change more of this one than it was given."""
    if what in {"get", "set", "delete"}:
        target, name = values[:2]
        if isinstance(target, _HIDDEN) or str(name).startswith("_") or type(name) is not str:
            raise AttributeError("not open to the solution")
        own = getattr(type(target), "__module__", None) == "tests"
        if what != "get" and not (own and not isinstance(target, type)):
            raise AttributeError("not the solution's to change")
    elif what not in {"call", "special", "copy", "deepcopy", "await", "input", "members"}:
        raise TypeError("not open to the solution")
    elif (
        what == "call" and isinstance(values[0], types.BuiltinFunctionType) and _is_module(values[0].__self__)
    ):
        raise TypeError("a built-in function of the tests is not the solution's to call")


def _is_module(owner: Any) -> bool:
    return owner is None or isinstance(owner, types.ModuleType)


def _call(target: Any, args: Any = (), named: Any = None) -> Any:
    return target(*args, **(named or {}))


def _do_special(name: str, target: Any, *values: Any) -> Any:
    if name not in SPECIALS:
        raise TypeError("no special method")
    act = _SPECIAL_ACTIONS.get(name)
    if act is not None:
        return act(target, *values)
    plain = name.strip("_")
    if name.startswith("__r") and plain[1:] in _BY_OPERATOR and plain not in _BY_OPERATOR:
        return _BY_OPERATOR[plain[1:]](*values, target)
    if plain in _BY_OPERATOR:
        return _BY_OPERATOR[plain](target, *values)
    return getattr(type(target), name)(target, *values)


def _ask_for_input(*prompt: str) -> str:
    return builtins.input(*prompt)  # as it is by then: a test may have replaced it


def _leave(target: Any, *values: Any) -> Any:
    kind, exc = (*values, None, None)[:2]
    return type(target).__exit__(target, kind, exc, None)


def _list_members(target: Any) -> list[Any]:
    return list(target) if isinstance(target, enum.EnumMeta) else list(iter(target))


_OPERATIONS = """
eq ne lt le gt ge add sub mul matmul truediv floordiv mod lshift rshift xor neg pos invert abs index
getitem setitem delitem contains
iadd isub imul imatmul itruediv ifloordiv imod ipow ilshift irshift iand ior ixor
""".split()
_BY_OPERATOR: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in _OPERATIONS},
    "and": operator.and_,
    "or": operator.or_,
    "divmod": divmod,
    "pow": pow,
}
_SPECIAL_ACTIONS: dict[str, Callable[..., Any]] = {
    "__len__": len,
    "__bool__": bool,
    "__iter__": iter,
    "__next__": next,
    "__reversed__": reversed,
    "__str__": str,
    "__repr__": repr,
    "__format__": format,
    "__hash__": hash,
    "__bytes__": bytes,
    "__int__": int,
    "__float__": float,
    "__complex__": complex,
    "__round__": round,
    "__trunc__": math.trunc,
    "__floor__": math.floor,
    "__ceil__": math.ceil,
    "__dir__": dir,
    "__copy__": copy.copy,
    "__deepcopy__": lambda target, *_: copy.deepcopy(target),
    "__exit__": _leave,
}
_ACTIONS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "special": _do_special,
    "get": getattr,
    "set": setattr,
    "delete": delattr,
    "members": _list_members,
    "copy": copy.copy,
    "await": asyncio.run,
    "input": _ask_for_input,
    "seed": random.seed,
}
