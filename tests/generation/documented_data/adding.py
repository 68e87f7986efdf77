"""A library for APIGenExecutionChecker."""

from typing import Any


def get_lib() -> dict[str, Any]:
    """The functions of the library by name."""
    return globals()


def get_tools() -> dict[str, Any]:
    """Their schemas by name."""
    return {"add": {"type": "function", "function": {"name": "add", "parameters": {}}}}


def add(a: int) -> int:
    """One more."""
    return a + 1
