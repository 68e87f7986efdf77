"""The tags of Magpie's filters: which models give them, and how they are read from replies.

Xu et al. 2024 (arXiv:2406.08464), section 3, and the tags of their published code (exp/unitag.py). Nothing
here asks a teacher.
"""

import re
from collections.abc import Mapping
from typing import Literal

TagName = Literal["difficulty", "quality", "category", "safety", "reward"]
TAGS: tuple[TagName, ...] = ("difficulty", "quality", "category", "safety", "reward")

TEMPLATES: Mapping[TagName, str] = {tag: f"tag_{tag}" for tag in TAGS}
TAG_PARTS: Mapping[TagName, Literal["judge", "reward"]] = {
    "difficulty": "judge",
    "quality": "judge",
    "category": "judge",
    "safety": "judge",
    "reward": "reward",
}
"""As what the model that gives a tag is named under `models` of a recipe."""

CATEGORIES = (
    "Information seeking",
    "Reasoning",
    "Planning",
    "Editing",
    "Coding & Debugging",
    "Math",
    "Role playing",
    "Data analysis",
    "Creative writing",
    "Advice seeking",
    "Brainstorming",
    "Others",
)
VALUES: Mapping[TagName, tuple[str, ...]] = {
    "difficulty": ("very easy", "easy", "medium", "hard", "very hard"),
    "quality": ("very poor", "poor", "average", "good", "excellent"),
    "category": CATEGORIES,
    "safety": ("safe", "unsafe"),
}
"""What a tag may be; a reward is a number."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def read_tag(tag: TagName, reply: str) -> str | None:
    """The value that a reply gives a tag, or None for a reply that gives none, or several.

    It stands after the tag's name and a colon, or is the whole reply; so a reply in JSON is read too, and
    values that are weighed in a sentence before are not.
    """
    said = _find_said(tag, reply)
    if tag == "reward":
        numbers = _NUMBER.findall(said)
        return numbers[0] if len(numbers) == 1 else None
    named = [value for value in VALUES[tag] if re.fullmatch(re.escape(value), said, re.IGNORECASE)]
    return named[0] if named else None


def _find_said(tag: TagName, reply: str) -> str:
    found = re.findall(rf"(?im){tag}[\"'*`]*\s*:\s*[\"'*`\[]*([^\n\"'*`\]}}]+)", reply)
    return (found[-1] if found else reply).strip(" \t\r\n\"'*`.,[]{}")
