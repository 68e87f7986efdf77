"""The distilabel LLM of the scripted teacher."""

import asyncio
from typing import Any

from pydantic import Field, PrivateAttr

from synth_stack.rows.canonical import digest_json
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_llm import SharedLLM, collect_answers, render_turns
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.teachers.replies import write_reply
from synth_stack.teachers.teacher import Price


class ScriptedLLM(SharedLLM):
    """Answers from a script; see `scripted`. `digest` names the script."""

    rules: list[tuple[str, list[str]]] = Field(default_factory=list)
    empty_share: float = 0.0
    repeat_share: float = 0.0
    delay_s: float = 0.0
    dies_after: int | None = None
    price: Price | None = None
    replayable: bool = True
    prefers_raw: bool = False
    use_magpie_template: bool = True
    magpie_pre_query_template: str = "qwen2"

    _health: Health = PrivateAttr(default_factory=Health)
    _answered: int = PrivateAttr(default=0)

    @property
    def model_name(self) -> str:
        return "scripted"

    @property
    def health(self) -> Health:
        return self._health

    @property
    def digest(self) -> str:
        return digest_json([[list(rule) for rule in self.rules], self.empty_share, self.repeat_share])

    @property
    def sampling(self) -> dict[str, Any]:
        return {}

    def check(self) -> None:
        """Always there."""

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Nothing to keep: nothing is sent."""

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        prompt = input if isinstance(input, Prompt) else Prompt(input)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        text = prompt[0]["content"] if prompt.raw else render_turns(prompt, "qwen2")
        answers = [self._answer(text, (prompt.seed or 0) + number) for number in range(num_generations)]
        return collect_answers(answers, prompt)

    def _answer(self, text: str, seed: int) -> Answer:
        self._answered += 1
        if self.dies_after is not None and self._answered > self.dies_after:
            self._health.note_failure("died, as its script says", fatal=True)
            return Answer(None, "teacher down: died, as its script says")
        reply = write_reply(text, seed, self.rules, self.empty_share, self.repeat_share)
        tokens = len(text.split()), len(reply.split())
        if not reply.strip():
            return Answer(None, "empty answer: the teacher wrote nothing", False, *tokens)
        return Answer(reply, None, False, *tokens)
