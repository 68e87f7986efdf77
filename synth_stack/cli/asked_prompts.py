"""The prompts of previewed rows, each told once.

A method asks one thing several times (n answers, k solutions), and much the same of each answer (a judge).
What was asked again is named and not repeated, and of what was asked alike the lines that differ are told.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

_NUMBER = re.compile(r"_\d+$")
"""Columns that are asked for one after the other have a number at their ends: `rating_1`, `rating_2`."""
_LEAST_COMMON = 0.5
"""Share of a prompt's lines; of one that has less in common with another all is told, which reads easier."""


@dataclass(slots=True)
class AskedPrompts:
    """What was told of the rows so far."""

    _told: set[str] = field(default_factory=set)

    def tell(self, prompts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        """(heading, text) of what the next row was asked, in order; the text is empty where it was told."""
        columns: dict[str, list[str]] = {}
        for prompt in prompts:
            columns.setdefault(prompt["text"], []).append(prompt["column"])
        alike: dict[str, tuple[str, str]] = {}
        for text, [first, *others] in columns.items():
            heading = f"prompt for {first}"
            if others:
                heading += f", asked again for {_list(others)}: the random seed alone differs"
            stem = _NUMBER.sub("", first)
            if text in self._told:
                yield f"{heading}, as in a row above", ""
            elif stem in alike and (lines := _tell_difference(alike[stem][1], text)):
                yield f"{heading}, as for {alike[stem][0]} but for these lines", lines
            else:
                alike.setdefault(stem, (first, text))
                yield heading, text
            self._told.add(text)


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _tell_difference(before: str, text: str) -> str | None:
    """The lines of `text` that `before` has not, dots for the others; None where little is common to both."""
    old, new = before.split("\n"), text.split("\n")
    told: list[str] = []
    common = 0
    for what, _, _, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            common += end - start
            told.append("...")
        else:
            told += new[start:end]
    return "\n".join(told) if common >= _LEAST_COMMON * len(new) else None
