"""The distilabel LLM of the batch teacher: gathers requests, and takes answers from batches old and new."""

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import PrivateAttr

from synth_stack.rows.canonical import digest_json
from synth_stack.teachers.batch_files import check_batches
from synth_stack.teachers.batch_jobs import BatchJobs, Request
from synth_stack.teachers.openai_llm import TeacherLLM
from synth_stack.teachers.openai_replies import Trouble
from synth_stack.teachers.prompt import Answer, Prompt

GATHER_S = 0.5
"""So long no new request has to come before a batch is sent: the rows of a step come within milliseconds."""

Answers = dict[str, Answer | Trouble]
Waiting = dict[str, tuple[Request, "asyncio.Future[Answer | Trouble]"]]


class BatchLLM(TeacherLLM):
    """Answers through the batch API of the server at `base_url`; see `batch`."""

    completion_window: str = "24h"
    poll_s: float = 30.0

    _jobs: BatchJobs | None = PrivateAttr(default=None)
    _waiting: Waiting = PrivateAttr(default_factory=dict)
    _sender: "asyncio.Task[None] | None" = PrivateAttr(default=None)
    _sending: set["asyncio.Task[Answers]"] = PrivateAttr(default_factory=set)

    def load(self) -> None:
        super().load()
        self._thinks = bool(self.reasoning_tokens)  # a question of our own would be a batch of its own

    def check(self) -> None:
        """Raises TeacherError or ConfigError when no row could be answered. Sends no prompt."""
        super().check()
        for endpoint in self._endpoints():
            check_batches(endpoint)

    async def _send(self, body: Mapping[str, Any], prompt: Prompt, number: int, *, raw: bool) -> Answer:
        if self.health.down is not None:
            return Answer(None, f"teacher down: {self.health.down}")
        began = self.health.failures
        try:
            # the seed counts where it is not sent too: each row gets an answer of its own
            name = digest_json([_say_floats(body), prompt.seed, number, raw])[:40]
        except ValueError:
            self.health.note_refusal(_SURROGATE, began)
            return Answer(None, f"teacher error: {_SURROGATE}")
        if name not in self._waiting:
            future: asyncio.Future[Answer | Trouble] = asyncio.get_running_loop().create_future()
            self._waiting[name] = (Request(name, dict(body), raw), future)
        future = self._waiting[name][1]
        self._schedule()
        return self._note(await asyncio.shield(future), began)

    def _note(self, said: Answer | Trouble, began: int) -> Answer:
        health = self.health
        if isinstance(said, Answer):
            if said.text is None and not said.tool_calls:
                health.note_empty(said.failure or "an empty answer", began)
            else:
                health.note_answer(began)
            return said
        if said.kind == "refusal":
            health.note_refusal(said.what, began)
        else:
            health.note_failure(said.what, fatal=said.kind == "fatal", mistake=said.mistake)
        return Answer(None, f"teacher {'down' if health.down else 'error'}: {health.down or said.what}")

    def _schedule(self) -> None:
        """Sends what waits once nothing more comes, or at once where a batch is full."""
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        if len(self._waiting) >= self.concurrency:
            self._send_waiting()
        else:
            self._sender = asyncio.create_task(self._send_later())

    async def _send_later(self) -> None:
        await asyncio.sleep(GATHER_S)
        self._sender = None
        self._send_waiting()

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        if self._jobs is None:
            self._jobs = BatchJobs(self._at[0], self.completion_window, self.poll_s)
        asked = [request for request, _ in waiting.values()]
        task = asyncio.create_task(self._jobs.answer(asked))
        self._sending.add(task)

        def pass_on(done: "asyncio.Task[Answers]") -> None:
            self._sending.discard(done)
            exc = None if done.cancelled() else done.exception()
            for name, (_, future) in waiting.items():
                if future.done() or done.cancelled():
                    continue
                if exc is not None:  # raised where the answer is waited for
                    future.set_exception(exc)
                else:
                    future.set_result(done.result()[name])

        task.add_done_callback(pass_on)

    async def _say_goodbye(self) -> None:
        jobs, self._jobs = self._jobs, None
        self._waiting, self._sender = {}, None
        if jobs is not None:
            await jobs.aclose()
        await super()._say_goodbye()


_SURROGATE = "cannot be sent a prompt that is not valid Unicode"


def _say_floats(value: Any) -> Any:
    """The value with floats as texts: they are written in one way only."""
    if isinstance(value, Mapping):
        return {key: _say_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_say_floats(item) for item in value]
    return repr(value) if isinstance(value, float) else value
