"""The distilabel LLM of the scripted teacher, and what it says: a pure function of prompt and seed."""

import asyncio
import hashlib
import json
import random
import re
from typing import Any

from pydantic import Field, PrivateAttr

from synth_stack.teachers.chat_formats import load_presets
from synth_stack.teachers.grammar import Grammar, draw_text
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_llm import SharedLLM, collect_answers
from synth_stack.teachers.openai_replies import EMPTY, SPENT
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.teachers.reasoning import split_reasoning


class ScriptedLLM(SharedLLM):
    """Answers from a script; see `scripted`, which gives the digest of the script."""

    rules: list[tuple[str, list[str]]] = Field(default_factory=list)
    empty_share: float = 0.0
    repeat_share: float = 0.0
    delay_s: float = 0.0
    dies_after: int | None = None
    name: str = "scripted"
    gives_reasoning: bool = True
    replayable: bool = True
    takes_grammar: bool = True
    chat_format: str | None = "qwen2"
    use_magpie_template: bool = True
    magpie_pre_query_template: str = "qwen2"

    _health: Health = PrivateAttr(default_factory=Health)
    _answered: int = PrivateAttr(default=0)

    @property
    def model_name(self) -> str:
        return self.name

    def load(self) -> None:
        self._health = Health()
        super().load()

    @property
    def health(self) -> Health:
        return self._health

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Nothing to keep: nothing is sent."""

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        prompt = input if isinstance(input, Prompt) else Prompt(input)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        text = prompt[0]["content"] if prompt.raw else load_presets()["qwen2"].write_turns(prompt)
        answers = [
            self._call_tools(self._answer(text, (prompt.seed or 0) + number, prompt.grammar), prompt)
            for number in range(num_generations)
        ]
        return collect_answers(answers, prompt)

    def _call_tools(self, answer: Answer, prompt: Prompt) -> Answer:
        """The answer with its calls as a server gives them, where it was offered tools and calls some."""
        if not (self.takes_tools and prompt.tools and answer.text):
            return answer
        try:
            said = enumerate(json.loads(answer.text))
            calls = tuple(
                {"id": f"s{i}", "name": call["name"], "arguments": json.dumps(call["arguments"])}
                for i, call in said
            )
        except (ValueError, TypeError, KeyError):
            return answer  # words
        return answer._replace(text=None, tool_calls=calls, finish="tool_calls")

    def _answer(self, text: str, seed: int, grammar: Grammar | None) -> Answer:
        self._answered += 1
        if self.dies_after is not None and self._answered > self.dies_after:
            self._health.note_failure("died, as its script says", fatal=True)
            return Answer(None, "teacher down: died, as its script says")
        reply = write_reply(text, seed, self.rules, self.empty_share, self.repeat_share, grammar=grammar)
        tokens = len(text.split()), len(reply.split())
        said = split_reasoning(reply)
        if not said.content.strip():
            failure = SPENT if said.open or said.reasoning else EMPTY
            self._health.note_empty(failure, self._health.failures)
            return Answer(None, failure, False, *tokens, reasoning=said.reasoning, finish="stop")
        self._health.note_answer(self._health.failures)
        return Answer(said.content, None, False, *tokens, reasoning=said.reasoning, finish="stop")


def write_reply(
    prompt: str,
    seed: int,
    rules: list[tuple[str, list[str]]],
    empty_share: float,
    repeat_share: float,
    *,
    grammar: Grammar | None = None,
) -> str:
    """The reply to `prompt` for `seed`: a pure function of its arguments.

    What no rule has a reply for is drawn from the grammar, where there is one, and else made up.
    """
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
    return _make_up(rng) if grammar is None else draw_text(grammar, rng)


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
