"""The distilabel LLMs that teachers are made of: any, and one that is reached over HTTP."""

import os
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import Field, PrivateAttr
from pydantic.warnings import UnsupportedFieldAttributeWarning

from synth_stack.errors import ConfigError
from synth_stack.rows.canonical import canonical_text
from synth_stack.teachers.event_loop import LoopThread
from synth_stack.teachers.grammar import write_gbnf
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_client import Connections, Endpoint, ask, check_server
from synth_stack.teachers.perimeter import Address, find_address
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.teachers.rate_limit import Pace
from synth_stack.teachers.teacher import Price

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
    price: Price | None = None
    concurrency: int = 1
    chat_format: str | None = None
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
        outputs: list[dict[str, Any]] = loop.run(
            self._agenerate(inputs=inputs, num_generations=num_generations, **kwargs)
        )
        return outputs

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
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    timeout_s: float = 120.0
    concurrency: int = 8
    retries: int = 3
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    allow_hosts: list[str] | None = None
    chat_format: Literal["qwen2", "llama3"] | None = None

    _health: Health = PrivateAttr(default_factory=Health)
    _connections: Connections | None = PrivateAttr(default=None)
    _pace: Pace = PrivateAttr()
    _at: Endpoint = PrivateAttr()

    @property
    def model_name(self) -> str:
        return self.model

    @property
    def health(self) -> Health:
        return self._health

    @property
    def address(self) -> str | None:
        return self.base_url

    def load(self) -> None:
        if self.generation_kwargs:
            raise ConfigError(
                "a teacher takes its sampling parameters as sampling={...}",
                seen=f"generation_kwargs={self.generation_kwargs}",
            )
        self._at = self._endpoint()
        # what an earlier run in this process saw of the server says nothing of it now
        self._health = Health()
        super().load()

    def check(self) -> None:
        """Raises TeacherError or ConfigError when no row could be answered. Sends no prompt."""
        check_server(self._endpoint())

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Send prompts to this machine and `allow_hosts` alone. Raises ConfigError when it is elsewhere."""
        self.allow_hosts = allow_hosts
        self._endpoint()

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        if self._connections is None:
            self._connections = Connections(self._at, self.concurrency)
            self._pace = Pace(self.requests_per_minute, self.tokens_per_minute)
        prompt = input if isinstance(input, Prompt) else Prompt(input)
        answers: list[Answer] = []
        for number in range(num_generations):
            body, raw = self._request(prompt, number)
            async with self._connections.take() as client:
                with self._reserve() as endpoint:
                    answers.append(await ask(client, endpoint, self._health, self._pace, body, raw=raw))
        return collect_answers(answers, prompt)

    async def _say_goodbye(self) -> None:
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()

    @contextmanager
    def _reserve(self) -> Iterator[Endpoint]:
        """The server that takes the next request, for as long as it takes."""
        yield self._at

    def _endpoint(self) -> Endpoint:
        key = read_key(self.api_key_env) if self.api_key_env else None
        at = Address(self.base_url)
        if self.allow_hosts is not None:
            at = find_address(self.base_url, self.allow_hosts)
        return Endpoint(
            at.base_url.rstrip("/"),
            self.model,
            self.timeout_s,
            self.retries,
            key,
            trust_env=self.allow_hosts is None,
            host=at.host,
        )

    def _request(self, prompt: Prompt, number: int) -> tuple[dict[str, Any], bool]:
        body: dict[str, Any] = {"model": self.model, **self.sampling, **prompt.sampling}
        if prompt.seed is not None:
            body["seed"] = (prompt.seed + number) % 2**31
        if prompt.max_tokens is not None:
            body["max_tokens"] = prompt.max_tokens
        if prompt.stop:
            body["stop"] = list(prompt.stop)
        if prompt.grammar is not None and self.takes_grammar:
            body["grammar"] = write_gbnf(prompt.grammar)
        if prompt.raw:
            return {**body, "prompt": prompt[0]["content"]}, True
        # Magpie: a chat that does not end with the user is continued as if it were the user's turn
        if self.use_magpie_template and self.chat_format and (not prompt or prompt[-1]["role"] != "user"):
            text = self.apply_magpie_pre_query_template(render_turns(prompt, self.chat_format), list(prompt))
            return {**body, "prompt": text}, True
        return {**body, "messages": list(prompt)}, False


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


TURNS = {
    "qwen2": "<|im_start|>{role}\n{content}<|im_end|>\n",
    "llama3": "<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>",
}
"""One finished turn in each chat format."""

PRE_QUERY = {
    "qwen2": "<|im_start|>user\n",
    "llama3": "<|start_header_id|>user<|end_header_id|>\n\n",
}
"""What opens the user's turn. distilabel's own for llama3 starts with <|begin_of_text|>, which would stand in
the middle, after the system prompt; a server puts it in front of every raw prompt itself."""


def render_turns(messages: list[dict[str, str]], chat_format: str) -> str:
    """Finished turns as the text that the model was tuned on; nothing is opened after the last one."""
    return "".join(TURNS[chat_format].format(**message) for message in messages)


def collect_answers(answers: list[Answer], prompt: Prompt) -> dict[str, Any]:
    """Answers as a distilabel GenerateOutput with our `call` record beside each."""
    return {
        "generations": [answer.text for answer in answers],
        "statistics": {
            "input_tokens": [answer.input_tokens for answer in answers],
            "output_tokens": [answer.output_tokens for answer in answers],
        },
        "call": [
            canonical_text(
                {
                    "failure": answer.failure,
                    "cut": answer.cut,
                    "input_tokens": answer.input_tokens,
                    "output_tokens": answer.output_tokens,
                    "seed": prompt.seed,
                }
            )
            for answer in answers
        ],
    }
