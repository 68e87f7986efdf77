"""The distilabel steps by which models tag a row: what Magpie's filters look at.

Xu et al. 2024 (arXiv:2406.08464), section 3, and the tags of their published code. A tag is asked only of a
model that the recipe names for it; a row without one is a row, and what is missing is said by the gate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import PrivateAttr

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.instruction.tags import TAG_PARTS, TEMPLATES, TagName, read_tag
from synth_stack.generators.steps import Ask
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]


class AskTag(Ask):
    """Asks for one tag of the first exchange; a call that fails, or says none, leaves the row without it."""

    tag: TagName

    _models: dict[str, dict[str, str | None]] = PrivateAttr(default_factory=dict)

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and self.part in self._models

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        texts = [str(input.get(name) or "") for name in ("instruction", "answer")]
        return super().format_input({**input, "fence": draw_fence(texts)})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        value = None if said["failure"] else read_tag(self.tag, str(said[self.column]))
        return {**said, "failure": None, "tags": {**row.get("tags", {}), self.tag: value}}


def list_tag_steps(llm: Any, tags: Sequence[TagName]) -> list[AskTag]:
    """A step for each tag, in the order of the tags."""
    return [
        AskTag(
            name=f"tag_{tag}",
            llm=llm,
            template=TEMPLATES[tag],
            column=f"tag_{tag}",
            tag=tag,
            part=TAG_PARTS[tag],
            single_line=False,
        )
        for tag in tags
    ]
