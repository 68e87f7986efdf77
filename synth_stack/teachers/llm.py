"""The distilabel LLM behind every teacher that is reached over HTTP."""

import asyncio
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import httpx
from pydantic import Field, PrivateAttr
from pydantic.warnings import UnsupportedFieldAttributeWarning

from synth_stack.errors import ConfigError
from synth_stack.rows import canonical_text
from synth_stack.teachers.client import Endpoint, Health, ask, check_server, make_client
from synth_stack.teachers.prompt import Answer, Prompt

_hook = sys.excepthook
# pydantic complains about distilabel's own models, and once more for each class that is derived from them
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import distilabel.pipeline
    import distilabel.steps.tasks  # noqa: F401  (so that generators import them without the complaint)

    # exported: the scripted teacher takes them from here, after the hook is kept
    from distilabel.models import AsyncLLM as AsyncLLM  # noqa: PLC0414
    from distilabel.models.mixins.magpie import MagpieChatTemplateMixin as MagpieChatTemplateMixin  # noqa: PLC0414
# distilabel installs a traceback that prints every local variable, API keys among them
sys.excepthook = _hook


class TeacherLLM(AsyncLLM, MagpieChatTemplateMixin):  # type: ignore[misc]  # distilabel has no types
    """Any OpenAI-compatible server as a distilabel LLM, with a seed and stop strings per row.

    `sampling` (temperature, top_p ...) goes into every request; a raw prompt goes to /v1/completions, a chat
    to /v1/chat/completions. `prefers_raw` asks generators for few-shot texts where a template has one. The
    answer of a row that fails is None, with the reason in the extra output `call` (JSON: failure, cut,
    tokens, seed); `health.down` tells that no further row can be answered.
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    sampling: dict[str, Any] = Field(default_factory=dict)
    timeout_s: float = 120.0
    concurrency: int = 8
    retries: int = 3
    digest: str | None = None
    replayable: bool = False
    prefers_raw: bool = False
    chat_format: Literal["qwen2", "llama3"] | None = None

    _health: Health = PrivateAttr(default_factory=Health)
    _client: httpx.AsyncClient | None = PrivateAttr(default=None)
    _slots: asyncio.Semaphore | None = PrivateAttr(default=None)

    @property
    def model_name(self) -> str:
        return self.model

    @property
    def health(self) -> Health:
        return self._health

    def load(self) -> None:
        super().load()
        if self.generation_kwargs:
            raise ConfigError(
                "a teacher takes its sampling parameters as sampling={...}",
                seen=f"generation_kwargs={self.generation_kwargs}",
            )
        self._endpoint()
        # what an earlier run in this process saw of the server says nothing of it now
        self._health = Health()

    def check(self) -> None:
        """Raises TeacherError or ConfigError when no row could be answered. Sends no prompt."""
        check_server(self._endpoint())

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        if self._client is None or self._slots is None:
            self._client = make_client(self._endpoint(), self.concurrency)
            self._slots = asyncio.Semaphore(self.concurrency)
        prompt = input if isinstance(input, Prompt) else Prompt(input)
        answers: list[Answer] = []
        for number in range(num_generations):
            body, raw = self._request(prompt, number)
            async with self._slots:
                with self._reserve() as endpoint:
                    answers.append(await ask(self._client, endpoint, self._health, body, raw=raw))
        return collect_answers(answers, prompt)

    def unload(self) -> None:
        client, self._client, self._slots = self._client, None, None
        close_loop(self, client)
        super().unload()

    @contextmanager
    def _reserve(self) -> Iterator[Endpoint]:
        """The server that takes the next request, for as long as it takes."""
        yield self._endpoint()

    def _endpoint(self) -> Endpoint:
        key = read_key(self.api_key_env) if self.api_key_env else None
        return Endpoint(self.base_url.rstrip("/"), self.model, self.timeout_s, self.retries, key)

    def _request(self, prompt: Prompt, number: int) -> tuple[dict[str, Any], bool]:
        body: dict[str, Any] = {"model": self.model, **self.sampling, **prompt.sampling}
        if prompt.seed is not None:
            body["seed"] = (prompt.seed + number) % 2**31
        if prompt.max_tokens is not None:
            body["max_tokens"] = prompt.max_tokens
        if prompt.stop:
            body["stop"] = list(prompt.stop)
        if prompt.raw:
            return {**body, "prompt": prompt[0]["content"]}, True
        # Magpie: a chat that does not end with the user is continued as if it were the user's turn
        if self.use_magpie_template and self.chat_format and (not prompt or prompt[-1]["role"] != "user"):
            text = self.apply_magpie_pre_query_template(render_turns(prompt, self.chat_format), list(prompt))
            return {**body, "prompt": text}, True
        return {**body, "messages": list(prompt)}, False


def close_loop(llm: Any, client: httpx.AsyncClient | None = None) -> None:
    """Close `client` and the event loop that distilabel made for `llm`, and what Ctrl-C left undone there.

    Left to the garbage collector they complain. A loop that ran already, such as a notebook's, stays open.
    """
    own = llm._new_event_loop
    if own or client is not None:
        llm.event_loop.run_until_complete(_finish(client, cancel=own))
    if own:
        llm._event_loop.close()
        llm._event_loop, llm._new_event_loop = None, False


async def _finish(client: httpx.AsyncClient | None, *, cancel: bool) -> None:
    if cancel:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if client is not None:
        await client.aclose()
    await asyncio.sleep(0)  # a closed connection lets go of its socket one turn later


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
the middle, behind the system prompt; a server puts it in front of every raw prompt itself."""


def render_turns(messages: list[dict[str, str]], chat_format: str) -> str:
    """Finished turns as the text that the model was tuned on; nothing is opened behind the last one."""
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
