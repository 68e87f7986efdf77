"""A teacher that needs no model: it answers from a script, the same for the same prompt and seed.

For tests, documentation and load measurements. Without rules it writes short support-desk English from a
small vocabulary, so that a whole run can be tried in seconds; nothing that it writes is training data.
"""

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from synth_stack.registry import teacher
from synth_stack.rows.canonical import digest_json
from synth_stack.teachers.teacher import Price

if TYPE_CHECKING:
    from synth_stack.teachers.scripted_llm import ScriptedLLM


def _checked_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"a regular expression; this one is none: {exc}") from exc
    return pattern


class ScriptRule(BaseModel):
    """Replies for every prompt in which `match` (a regular expression) is found."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    match: Annotated[str, AfterValidator(_checked_pattern)]
    replies: Annotated[list[str], Field(min_length=1)]


@teacher("scripted", version="1")
def scripted(
    *,
    rules: list[ScriptRule] = [],  # noqa: B006  (a signature read as a schema; never mutated)
    empty_share: Annotated[float, Field(ge=0, le=1)] = 0.0,
    repeat_share: Annotated[float, Field(ge=0, le=1)] = 0.0,
    delay_s: Annotated[float, Field(ge=0, le=60)] = 0.0,
    dies_after: Annotated[int, Field(ge=0)] | None = None,
    takes_tools: bool = False,
    price: Price | None = None,
    model: Annotated[str, Field(min_length=1)] = "scripted",
) -> "ScriptedLLM":
    """A deterministic distilabel LLM.

    The first rule that matches a prompt gives the reply, chosen by prompt and seed; else a sentence is made
    up. `empty_share` of the answers are empty and `repeat_share` are one stock reply, so that gates have
    something to do; each answer takes `delay_s`; after `dies_after` answers the teacher is down. Its tokens
    are words; a `price` on them tries out what a run would report. `model` is the name that rows carry, so
    that a writer and a judge can be told apart. With `takes_tools` a reply that is a JSON list of
    calls comes as `tool_calls`, where tools were offered.
    """
    from synth_stack.teachers.scripted_llm import ScriptedLLM

    script = [[rule.match, rule.replies] for rule in rules]
    return ScriptedLLM(
        digest=digest_json([script, empty_share, repeat_share]),
        rules=[(rule.match, rule.replies) for rule in rules],
        empty_share=empty_share,
        repeat_share=repeat_share,
        delay_s=delay_s,
        dies_after=dies_after,
        takes_tools=takes_tools,
        price=price,
        name=model,
    )
