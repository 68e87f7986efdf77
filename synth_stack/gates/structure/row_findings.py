"""Faults of messages, each judged by its words beside what its row asks for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import Fault, list_faults, place_of
from synth_stack.gates.structure.reading import OWN, Rows, read_prompts

if TYPE_CHECKING:
    import polars as pl

_Find = Callable[[str, str, bool], tuple[str, str] | None]
"""Of a text, the prompt of its row and whether it is a prompt itself: the class of what is wrong, and the
words."""


def list_found(seen: Rows, hinted: "pl.DataFrame", wanted: list[str], find: _Find) -> "pl.DataFrame":
    """The faults of the messages `hinted` (`row, side, position, role, text`) of the classes `wanted`."""
    prompts = read_prompts(seen, hinted["row"])
    found = []
    for row, side, position, role, text in hinted.select(
        "row", "side", "position", "role", "text"
    ).iter_rows():
        fault = find(text, prompts.get(row, ""), role == "user")
        if fault is not None and fault[0] in wanted:
            place = place_of(side, position)
            where = f"message {position}" if side == OWN else f"message {position} of an alternative"
            found.append((row, Fault(fault[0], f"{_SAID[fault[0]]}: {where} says {_show(fault[1])}", place)))
    return list_faults(found)


def _show(text: str) -> str:
    return repr(" ".join(text.split())[:60])


_SAID = {"refusal": "refusal", "self_reference": "self reference", "placeholder": "placeholder"}
