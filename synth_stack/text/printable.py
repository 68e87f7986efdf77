"""Rows and verdicts in words, for a terminal: what a row says never reaches it as a control sequence."""

from collections.abc import Mapping
from typing import Any


def describe_verdict(verdict: Mapping[str, Any]) -> str:
    """A verdict on one line; scores may be numbers or a record's decimal strings."""
    score = "" if verdict["score"] is None else f", score {verdict['score']}"
    threshold = "" if verdict["threshold"] is None else f" (threshold {verdict['threshold']})"
    reason = "" if verdict["reason"] is None else f": {verdict['reason']}"
    return f"{verdict['gate']} {verdict['outcome']}{score}{threshold}{reason}"


def show(*lines: str) -> list[str]:
    """The lines with every character that does not print replaced."""
    return ["".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) for line in lines]
