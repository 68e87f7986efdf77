"""Classes and functions of the standard library that pass by name: each process uses its own."""

import sys
import types
from typing import Any

from synth_stack.sandbox.values import Coded

SHARED_MODULES = frozenset(
    """
    abc array base64 bisect builtins calendar cmath collections collections.abc contextlib copy datetime
    decimal enum fractions functools hashlib heapq itertools json math numbers operator random re
    statistics string textwrap time typing
    """.split()
)
"""Modules whose own classes and functions are passed by name: each side uses its own."""


def name_shared(value: Any) -> Coded | None:
    """The code of a class or function of a shared module, None for others."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if type(module) is not str or type(name) is not str or module not in SHARED_MODULES:
        return None
    if not isinstance(value, type | types.BuiltinFunctionType | types.FunctionType):
        return None
    return ["M", module, name] if find_shared(module, name) is value else None


def find_shared(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in str(name).split("."):
        if part.startswith("_"):
            return None
        found = getattr(found, part, None)
    return found
