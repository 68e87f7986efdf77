"""The distilabel LLMs that teachers are made of: any, and one that is reached over HTTP."""

import asyncio
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from pydantic import Field, PrivateAttr
from pydantic.warnings import UnsupportedFieldAttributeWarning

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.rows.canonical import canonical_text
from synth_stack.teachers.batch_call import BATCH_CALL, Asked
from synth_stack.teachers.chat_formats import read_format
from synth_stack.teachers.endpoints import Endpoint, Fleet, Server
from synth_stack.teachers.event_loop import LoopThread
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_client import ask
from synth_stack.teachers.openai_replies import EMPTY
from synth_stack.teachers.openai_requests import (
    LeftOut,
    LimitField,
    RequestForm,
    SchemaField,
    cut_at_stop,
)
from synth_stack.teachers.perimeter import Address, find_address
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.teachers.rate_limit import Pace
from synth_stack.teachers.server_check import check_server
from synth_stack.teachers.teacher import Price

log = logging.getLogger(__name__)

_hook = sys.excepthook
# pydantic complains about distilabel's own models, and once more for each class that is derived from them
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import distilabel.pipeline
    import distilabel.steps.tasks  # noqa: F401  (so that generators import them without the complaint)
    from distilabel.models import AsyncLLM

    # exported: engine.py takes it from here, after the hook is kept
    from distilabel.models import vLLM as vLLM  # noqa: PLC0414
    from distilabel.models.mixins.magpie import MagpieChatTemplateMixin
# distilabel installs a traceback that prints every local variable, API keys among them
sys.excepthook = _hook


class SharedLLM(AsyncLLM, MagpieChatTemplateMixin):  # type: ignore[misc]  # distilabel has no types
    """A distilabel LLM that many threads may ask at a time; all their requests run on one event loop.

    The base of a teacher (teacher.py says what each field means): a class that is derived from it defines
    `model_name` and `agenerate`. Its defaults promise nothing: one request at a time, not replayable, and
    refused within a local perimeter.
    """

    digest: str | None = None
    replayable: bool = False
    sampling: dict[str, Any] = Field(default_factory=dict)
    prefers_raw: bool = False
    takes_grammar: bool = False
    takes_tools: bool = False
    price: Price | None = None
    concurrency: int = 1
    chat_format: str | None = None
    chat_template: list[str] = Field(default_factory=list)
    gives_reasoning: bool = False

    _loop: LoopThread | None = PrivateAttr(default=None)
    _health: Health | None = PrivateAttr(default=None)

    @property
    def health(self) -> Health | None:
        return self._health

    @property
    def address(self) -> str | None:
        return None

    def check(self) -> None:
        """Called once before the first prompt; nothing is known that could be checked."""

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Raises ConfigError: nothing is known of where prompts go."""
        raise ConfigError(
            "perimeter: local refuses a teacher that does not say where it sends its prompts",
            seen=type(self).__name__,
            mend="Use embedded, scripted, http or vllm, or set perimeter: open.",
        )

    def load(self) -> None:
        super().load()
        self._loop = self._loop or LoopThread(f"teacher {self.model_name}")

    def generate(
        self, inputs: list[list[dict[str, str]]], num_generations: int = 1, **kwargs: Any
    ) -> list[dict[str, Any]]:
        loop = self._loop
        if loop is None:  # unloaded in another thread, or never loaded
            raise CancelledError(f"{self.model_name} is not loaded")
        call = BATCH_CALL.get()
        if call is None:
            outputs: list[dict[str, Any]] = loop.run(
                self._agenerate(inputs=inputs, num_generations=num_generations, **kwargs)
            )
            return outputs
        asked = call.ask(inputs, num_generations)
        with call.waiting():
            return loop.run(self._answer_kept(asked, inputs, num_generations))

    async def _answer_kept(
        self, asked: Asked, inputs: Sequence[Any], num_generations: int
    ) -> list[dict[str, Any]]:
        """The answers to a step's prompts: those that an earlier run got, and others, each kept at once."""

        async def answer(place: int, prompt: Any) -> dict[str, Any]:
            found = asked.find(place)
            if found is not None:
                return dict(found)
            output: dict[str, Any] = await self.agenerate(input=prompt, num_generations=num_generations)
            asked.keep(place, output)
            return output

        return list(await asyncio.gather(*[answer(i, prompt) for i, prompt in enumerate(inputs)]))

    def unload(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close(self._say_goodbye())
        super().unload()

    async def _say_goodbye(self) -> None:
        """What is done in the loop before it stops."""


class TeacherLLM(SharedLLM):
    """Any OpenAI-compatible server as a distilabel LLM, with a seed and stop strings per row.

    `sampling` (temperature, top_p ...) goes into every request; a raw prompt goes to /v1/completions, a chat
    to /v1/chat/completions. `prefers_raw` asks generators for few-shot texts where a template has one. The
    answer of a row that fails is None, with the reason in the extra output `call` (JSON: failure, cut,
    tokens, seed); `health.down` tells that no further row can be answered. With `allow_hosts` prompts go to
    this machine and those hosts alone (see perimeter.py).

    `base_url` may be several, separated by blanks: the least busy one is asked. `reasoning_tokens` is the
    room that a model gets to think in, beside what its answer may have: before the first chat a question of
    ours shows whether it does, and where it does no stop string is sent, which its thoughts could meet; they
    are looked for here.
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    api_key_header: str = "Authorization"
    query: dict[str, str] = Field(default_factory=dict)
    timeout_s: float = 120.0
    concurrency: int = 8
    retries: int = 3
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    allow_hosts: list[str] | None = None
    gives_reasoning: bool = True
    limit_field: LimitField = "max_tokens"
    max_tokens: int | None = None
    leave_out: list[LeftOut] = Field(default_factory=list)
    schema_field: SchemaField | None = None
    reasoning_tokens: int = 0

    _health: Health = PrivateAttr(default_factory=Health)
    _fleet: Fleet | None = PrivateAttr(default=None)
    _at: list[Endpoint] = PrivateAttr(default_factory=list)
    _form: RequestForm = PrivateAttr()
    _thinks: bool | None = PrivateAttr(default=None)
    _learning: asyncio.Lock = PrivateAttr()

    @property
    def model_name(self) -> str:
        return self.model

    @property
    def health(self) -> Health:
        return self._health

    @property
    def address(self) -> str | None:
        return self.base_url.split()[0]

    def load(self) -> None:
        if self.generation_kwargs:
            raise ConfigError(
                "a teacher takes its sampling parameters as sampling={...}",
                seen=f"generation_kwargs={self.generation_kwargs}",
            )
        self._at = self._endpoints()
        self._form = RequestForm(
            self.model,
            self.sampling,
            self.limit_field,
            self.max_tokens,
            self.leave_out,
            read_format(self.chat_format, self.chat_template) if self.use_magpie_template else None,
            self.takes_grammar,
            self.schema_field,
        )
        # what an earlier run in this process saw of the server says nothing of it now
        self._health = Health()
        if not self.reasoning_tokens:
            self._thinks = False
        super().load()

    def check(self) -> None:
        """Raises TeacherError or ConfigError when no row could be answered. Sends no prompt.

        Of several servers one that can be reached is enough: a run goes on while another is mended.
        """
        endpoints, unreachable = self._endpoints(), []
        for endpoint in endpoints:
            try:
                check_server(endpoint)
            except TeacherError as exc:
                unreachable.append(exc)
        if len(unreachable) == len(endpoints):
            raise unreachable[0]
        if unreachable:
            log.warning(
                "%d of the %d servers of teacher %s cannot be reached; the others answer",
                len(unreachable),
                len(endpoints),
                self.model,
            )

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Send prompts to this machine and `allow_hosts` alone. Raises ConfigError when it is elsewhere."""
        self.allow_hosts = allow_hosts
        self._endpoints()

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        if self._fleet is None:
            self._fleet = Fleet([self._start(endpoint) for endpoint in self._at])
            self._learning = asyncio.Lock()
        prompt = input if isinstance(input, Prompt) else Prompt(input)
        answers = list(
            await asyncio.gather(*(self._answer(prompt, number) for number in range(num_generations)))
        )
        return collect_answers(answers, prompt)

    async def _answer(self, prompt: Prompt, number: int) -> Answer:
        """The answer to a prompt, whole if it can be had (prompt.OnCut)."""
        answer = await self._ask_thinking(prompt, number)
        if not answer.cut or not (answer.text or answer.tool_calls):
            return answer
        # a call that was cut cannot be gone on with
        if prompt.on_cut == "retry" or (prompt.on_cut == "continue" and answer.tool_calls):
            limit = self._form.find_limit(prompt) or 0
            more = await self._ask(prompt, number, room=self._room + (RETRY_FACTOR - 1) * limit)
            return more.plus(answer) if more.text or more.tool_calls else answer.plus(more)
        if prompt.on_cut == "continue":
            return await self._go_on(prompt, number, answer)
        return answer

    async def _ask_thinking(self, prompt: Prompt, number: int) -> Answer:
        """One answer, with room to think for a model that does."""
        if self._thinks is None and not prompt.raw:
            async with self._learning:
                if self._thinks is None:
                    self._thinks = await self._learn()
        if self._thinks and not prompt.raw:
            return await self._ask(prompt, number, room=self.reasoning_tokens, stops=False)
        answer = await self._ask(prompt, number)
        starved = answer.spent or (answer.reasoning is not None and answer.cut)
        if starved and self.reasoning_tokens and not prompt.raw:
            self._thinks = True
            again = await self._ask(prompt, number, room=self.reasoning_tokens, stops=False)
            return again.plus(answer)
        return answer

    async def _learn(self) -> bool:
        """Whether the model thinks before it answers, from a question of our own; no trouble is noted."""
        assert self._fleet is not None  # made by agenerate
        body, raw = self._form.write(_PROBE, 0, room=self.reasoning_tokens, stops=False)
        answer = await ask(self._fleet, Health(), body, raw=raw)
        return answer.reasoning is not None or answer.spent

    async def _go_on(self, prompt: Prompt, number: int, answer: Answer) -> Answer:
        """A cut answer with what follows it, until it is whole or was gone on with MAX_CONTINUED times."""
        for _ in range(MAX_CONTINUED):
            said = answer.text or ""
            more = await self._ask(prompt, number, after=said)
            if more.text is None:
                return answer.plus(more)
            if len(said) > _RESTART_CHARS and more.text.lstrip().startswith(said[:_RESTART_CHARS]):
                failure = "cut off: asked to go on, the teacher began anew"
                return answer.plus(more)._replace(text=None, failure=failure, cut=False)
            answer = more.plus(answer)._replace(text=said + more.text, reasoning=answer.reasoning)
            if not answer.cut:
                return answer
        return answer

    async def _ask(
        self, prompt: Prompt, number: int, *, room: int = 0, stops: bool = True, after: str = ""
    ) -> Answer:
        body, raw = self._form.write(prompt, number, room=room, stops=stops, after=after)
        answer = await self._send(body, prompt, number, raw=raw)
        if answer.text is None or ("stop" in body and not answer.reasoning):
            return answer
        text, stopped = cut_at_stop(answer.text, prompt.stop)
        if not stopped:
            return answer
        failure = None if text.strip() else EMPTY
        return answer._replace(text=text if text.strip() else None, failure=failure, cut=False, finish="stop")

    async def _send(self, body: Mapping[str, Any], prompt: Prompt, number: int, *, raw: bool) -> Answer:
        """What a server says to one request; never raises for what it does."""
        assert self._fleet is not None  # made by agenerate
        return await ask(self._fleet, self._health, body, raw=raw)

    @property
    def _room(self) -> int:
        return self.reasoning_tokens if self._thinks else 0

    async def _say_goodbye(self) -> None:
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            await fleet.aclose()

    def _start(self, endpoint: Endpoint) -> Server:
        pace = Pace(self.requests_per_minute, self.tokens_per_minute)
        return Server(endpoint, max(self.concurrency // max(len(self._at), 1), 1), pace)

    def _endpoints(self) -> list[Endpoint]:
        key = read_key(self.api_key_env) if self.api_key_env else None
        return [self._endpoint(base_url, key) for base_url in self.base_url.split()]

    def _endpoint(self, base_url: str, key: str | None) -> Endpoint:
        at = Address(base_url)
        if self.allow_hosts is not None:
            at = find_address(base_url, self.allow_hosts)
        return Endpoint(
            at.base_url.rstrip("/"),
            self.model,
            self.timeout_s,
            self.retries,
            key,
            trust_env=self.allow_hosts is None,
            host=at.host,
            key_header=self.api_key_header,
            query=self.query,
        )


_PROBE = Prompt(
    [{"role": "user", "content": "Which is more, two or three? Answer with one word."}], seed=0, max_tokens=16
)
"""What shows whether a model thinks: of a row's own prompt the answer would depend on being the first."""

RETRY_FACTOR = 4
"""What the limit of a cut answer is multiplied with for its second try."""
MAX_CONTINUED = 4
"""How often a cut answer is gone on with, so that one that never ends costs no more than a second try."""
_RESTART_CHARS = 24
"""An answer that goes on with so many characters of its own beginning has begun anew."""


def read_key(variable: str) -> str:
    """The API key in an environment variable.

    Raises ConfigError for none, and for one that no HTTP header can carry: httpx would quote it in its error.
    """
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError(
            f"teacher.api_key_env names the environment variable {variable}, which holds no API key",
            seen="characters that no key has" if key else "nothing",
            mend=f"Run: export {variable}=<your key>",
        )
    return key


def collect_answers(answers: list[Answer], prompt: Prompt) -> dict[str, Any]:
    """Answers as a distilabel GenerateOutput with our `call` record beside each."""
    return {
        "generations": [answer.text for answer in answers],
        "statistics": {
            "input_tokens": [answer.input_tokens for answer in answers],
            "output_tokens": [answer.output_tokens for answer in answers],
        },
        "call": [canonical_text(_record(answer, prompt)) for answer in answers],
    }


def _record(answer: Answer, prompt: Prompt) -> dict[str, Any]:
    more = {
        "reasoning": answer.reasoning,
        "finish": answer.finish,
        "tool_calls": list(answer.tool_calls) or None,
        "cached_tokens": answer.cached_tokens or None,
        "on_cut": prompt.on_cut if answer.cut else None,
        "choices": _weigh_choices(answer, prompt),
    }
    return {
        "failure": answer.failure,
        "cut": answer.cut,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "seed": prompt.seed,
        **{name: value for name, value in more.items() if value is not None},
    }


def _weigh_choices(answer: Answer, prompt: Prompt) -> dict[str, float] | None:
    if not prompt.choices or answer.beginnings is None:
        return None
    return {word: round(answer.beginnings.get(word.casefold(), 0.0), 6) for word in prompt.choices}
