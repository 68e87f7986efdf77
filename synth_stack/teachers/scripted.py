"""A teacher that needs no model: it answers from a script, the same for the same prompt and seed.

For tests, documentation and load measurements. Without rules it writes short support-desk English from a
small vocabulary, so that a whole run can be tried in seconds; nothing that it writes is training data.
"""

import hashlib
import random
import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from synth_stack.registry import teacher

if TYPE_CHECKING:
    from synth_stack.teachers.script import ScriptedLLM


def _checked_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"a regular expression; this one is none: {exc}") from exc
    return pattern


class Rule(BaseModel):
    """Replies for every prompt in which `match` (a regular expression) is found."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    match: Annotated[str, AfterValidator(_checked_pattern)]
    replies: Annotated[list[str], Field(min_length=1)]


@teacher("scripted", version="1")
def scripted(
    *,
    rules: list[Rule] = [],  # noqa: B006  (a signature read as a schema; never mutated)
    empty_share: Annotated[float, Field(ge=0, le=1)] = 0.0,
    repeat_share: Annotated[float, Field(ge=0, le=1)] = 0.0,
    delay_s: Annotated[float, Field(ge=0, le=60)] = 0.0,
    dies_after: Annotated[int, Field(ge=0)] | None = None,
) -> "ScriptedLLM":
    """A deterministic distilabel LLM.

    The first rule that matches a prompt gives the reply, chosen by prompt and seed; else a sentence is made
    up. `empty_share` of the answers are empty and `repeat_share` are one stock reply, so that gates have
    something to do; each answer takes `delay_s`; after `dies_after` answers the teacher is down.
    """
    from synth_stack.teachers.script import ScriptedLLM

    return ScriptedLLM(
        rules=[(rule.match, rule.replies) for rule in rules],
        empty_share=empty_share,
        repeat_share=repeat_share,
        delay_s=delay_s,
        dies_after=dies_after,
    )


def write_reply(
    prompt: str, seed: int, rules: list[tuple[str, list[str]]], empty_share: float, repeat_share: float
) -> str:
    """The reply to `prompt` for `seed`: a pure function of its arguments."""
    name = hashlib.sha256(f"{seed}\0{prompt}".encode("utf-8", "replace")).digest()
    rng = random.Random(name)  # noqa: S311  (a script, not a secret)
    for match, replies in rules:
        if re.search(match, prompt):
            return rng.choice(replies)
    lot = rng.random()
    if lot < empty_share:
        return ""
    if lot < empty_share + repeat_share:
        return STOCK_REPLY
    return _make_up(rng)


STOCK_REPLY = (
    "Thank you for your message. We are looking into it and will write again within two working days."
)

_WHO = "I we you they customers parents neighbours tenants drivers engineers".split()
_DOES = "ordered returned lost opened moved replaced cancelled charged received checked paired reset".split()
_WHAT = """parcel lamp thermostat refund invoice camera doorbell battery password account sensor voucher cable
    label subscription bulb plug lock hub app receipt address delivery warranty""".split()
_WHEN = "yesterday|today|twice|again|on Monday|last week|this morning|in March|after midnight".split("|")
_HOW = "slowly|by mistake|without asking|at the shop|over the phone|in the rain|with a code".split("|")


def _make_up(rng: random.Random) -> str:
    words = [
        f"{rng.choice(_WHO)} {rng.choice(_DOES)} the {rng.choice(_WHAT)} {rng.choice(_WHEN)} "
        f"{rng.choice(_HOW)} and the {rng.choice(_WHAT)} was {rng.choice(_DOES)}"
        for _ in range(rng.randint(2, 4))
    ]
    return ". ".join(w[0].upper() + w[1:] for w in words) + "."
