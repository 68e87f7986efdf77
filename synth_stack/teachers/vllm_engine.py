"""vLLM's engine in this process as a distilabel LLM, with a seed, stop strings and a limit per row."""

import gc
import importlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, PrivateAttr

from synth_stack.errors import ConfigError, ModelError
from synth_stack.teachers.batch_call import BATCH_CALL
from synth_stack.teachers.chat_formats import ChatFormat, read_format
from synth_stack.teachers.engine_queue import EngineQueue, Job
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_llm import MAX_CONTINUED, RETRY_FACTOR, collect_answers, vLLM
from synth_stack.teachers.openai_replies import EMPTY, SPENT
from synth_stack.teachers.openai_requests import cut_at_stop
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.teachers.reasoning import split_reasoning
from synth_stack.teachers.server_words import clean_sentence
from synth_stack.teachers.teacher import Price


class EngineLLM(vLLM):  # type: ignore[misc]  # distilabel has no types
    """distilabel's vLLM, which asks all rows of a batch alike, with what each of our prompts asks for.

    The engine schedules by itself what it is given, so all prompts that wait when it is free go into one call
    (engine_queue.py): `concurrency` is how many rows the driver keeps under way for it. Needs a GPU: the
    tests hold its calls against a stand-in that takes what vLLM's API takes and nothing else.
    """

    sampling: dict[str, Any] = Field(default_factory=dict)
    prefers_raw: bool = False
    chat_format: str | None = None
    chat_template: list[str] | None = None
    price: Price | None = None
    digest: str | None = None
    replayable: bool = False
    concurrency: int = 1
    gives_reasoning: bool = True
    takes_grammar: bool = False
    takes_tools: bool = False
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    reasoning_tokens: int = 0
    max_tokens: int | None = None

    _health: Health = PrivateAttr(default_factory=Health)
    _queue: EngineQueue | None = PrivateAttr(default=None)
    _model: Any = PrivateAttr(default=None)

    @property
    def health(self) -> Health | None:
        return self._health

    @property
    def address(self) -> str | None:
        return None

    def load(self) -> None:
        # distilabel would give it to the tokenizer, whose own renders chats
        written, self.chat_template = self.chat_template, None
        try:
            super().load()
        except (ImportError, OSError, RuntimeError, ValueError) as exc:
            raise ModelError(f"vLLM cannot load {self.model}: {exc}") from exc
        finally:
            self.chat_template = written
        self._health = Health()
        self._queue = EngineQueue(self._call_engine)

    def check(self) -> None:
        """Nothing to reach: the engine loads the model before the first prompt, or says why it cannot."""

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Raises ConfigError for weights that vLLM would fetch from the Hub."""
        if not Path(self.model).is_dir():
            raise ConfigError(
                "perimeter: local refuses weights that are not on this machine",
                seen=self.model,
                mend="Set teacher.model to the folder of the weights.",
            )

    def generate(self, inputs: list[Any], num_generations: int = 1) -> list[dict[str, Any]]:
        # without **kwargs, which distilabel takes for a parameter that has to be given
        call = BATCH_CALL.get()
        asked = call.ask(inputs, num_generations) if call is not None else None
        outputs = [asked.find(place) if asked is not None else None for place in range(len(inputs))]
        rest = [place for place, output in enumerate(outputs) if output is None]
        prompts = [self._as_prompt(inputs[place]) for place in rest]
        with call.waiting() if call is not None else nullcontext():
            answers = self._answer(prompts, num_generations)
        for place, prompt, answered in zip(rest, prompts, answers, strict=True):
            outputs[place] = collect_answers(answered, prompt)
            if asked is not None:
                asked.keep(place, outputs[place] or {})
        return [dict(output or {}) for output in outputs]

    def _as_prompt(self, chat: list[dict[str, str]]) -> Prompt:
        return chat if isinstance(chat, Prompt) else Prompt(chat)

    def _answer(self, prompts: Sequence[Prompt], num_generations: int) -> list[list[Answer]]:
        """The answers to each prompt, whole if they can be had; all are failures once the engine is dead."""
        rendered = [self._render(prompt) for prompt in prompts]
        jobs = [
            (text, self._make_params(prompt, num_generations))
            for text, prompt in zip(rendered, prompts, strict=True)
        ]
        said = [
            self._take(output, prompt, num_generations)
            for output, prompt in zip(self._ask(jobs), prompts, strict=True)
        ]
        open_ = [
            (i, j)
            for i, taken in enumerate(said)
            for j, each in enumerate(taken)
            if each.cut and prompts[i].on_cut in {"retry", "continue"}
        ]
        for _ in range(MAX_CONTINUED):
            jobs = [self._go_on(rendered[i], prompts[i], said[i][j]) for i, j in open_]
            for (i, j), output in zip(open_, self._ask(jobs), strict=True):
                more = self._take(output, prompts[i], 1)[0]
                said[i][j] = said[i][j].plus(more, anew=prompts[i].on_cut == "retry")
            open_ = [(i, j) for i, j in open_ if said[i][j].cut and prompts[i].on_cut == "continue"]
        return [
            [self._read(each, prompt) for each in taken] for taken, prompt in zip(said, prompts, strict=True)
        ]

    def _ask(self, jobs: Sequence[Job]) -> list[Any]:
        """What the engine says to each, a ValueError to one that it refuses; None when it is dead."""
        assert self._queue is not None  # made by load
        if self._health.down is None and jobs:
            try:
                return self._queue.ask(jobs)
            except Exception as exc:  # noqa: BLE001  (whatever ends an engine: no row can be answered any more)
                told = clean_sentence(str(exc)) or type(exc).__name__
                self._health.note_failure(f"its engine failed: {told}", fatal=True)
        return [None] * len(jobs)

    def _take(self, output: Any, prompt: Prompt, count: int) -> "list[_Said]":
        """What was said to a prompt, so many times."""
        if output is None:
            return [_Said(failure=f"teacher down: {self._health.down}")] * count
        if isinstance(output, ValueError):
            what = f"refuses the prompt: {clean_sentence(str(output)) or 'no reason given'}"
            self._health.note_refusal(what, self._health.failures)
            return [_Said(failure=f"teacher error: {what}")] * count
        read = len(output.prompt_token_ids)
        return [
            _Said(out.text, tuple(out.token_ids), out.finish_reason, read, len(out.token_ids))
            for out in output.outputs
        ]

    def _go_on(self, rendered: Any, prompt: Prompt, said: "_Said") -> Job:
        """The second try of a cut answer: anew with more room, or on from its last token."""
        if prompt.on_cut == "retry":
            return rendered, self._make_params(prompt, 1, factor=RETRY_FACTOR)
        tokens = (
            rendered["prompt_token_ids"] if isinstance(rendered, dict) else self._tokenizer.encode(rendered)
        )
        return {"prompt_token_ids": [*tokens, *said.tokens]}, self._make_params(prompt, 1)

    def _read(self, said: "_Said", prompt: Prompt) -> Answer:
        """The answer in what was said; what it shows of the engine's health is noted."""
        if said.failure is not None:
            return Answer(None, said.failure)
        answer = _read_said(said, prompt)
        if answer.text is None:
            self._health.note_empty(answer.failure or EMPTY, self._health.failures)
        else:
            self._health.note_answer(self._health.failures)
        return answer

    def _make_params(self, prompt: Prompt, count: int, *, factor: int = 1) -> Any:
        sampling_params = importlib.import_module("vllm").SamplingParams
        fields = {**self.sampling, **prompt.sampling}
        try:
            return sampling_params(
                n=count,
                seed=prompt.seed,
                max_tokens=self._find_limit(prompt, factor),
                stop=self._list_stops(prompt),
                **fields,
            )
        except (TypeError, ValueError) as exc:
            raise ConfigError(
                f"vLLM takes no such sampling: {exc}",
                seen=", ".join(sorted(fields)),
                mend="Mend teacher, or sampling of the template.",
            ) from exc

    def _call_engine(self, prompts: list[Any], params: list[Any]) -> Sequence[Any]:
        said: Sequence[Any] = self._model.generate(prompts, params, use_tqdm=False)
        return said

    def _cleanup_vllm_model(self) -> None:
        """Ends the engine. Not as distilabel does, which reaches for what engines since vLLM 0.8 have not."""
        model, self._model, self._queue = self._model, None, None
        core = getattr(getattr(model, "llm_engine", None), "engine_core", None)
        if core is not None:
            core.shutdown()
        gc.collect()

    def _opens_turn(self, prompt: Prompt) -> ChatFormat | None:
        """The format in which the model writes the user's next turn; None for a prompt that it answers."""
        if prompt.raw or (prompt and prompt[-1]["role"] == "user"):
            return None
        return read_format(self.chat_format, self.chat_template or ())

    def _list_stops(self, prompt: Prompt) -> list[str]:
        opened = self._opens_turn(prompt)
        if opened is not None:
            return list(dict.fromkeys([*prompt.stop, *opened.stop]))
        return list(prompt.stop) if self._stops(prompt) else []

    def _stops(self, prompt: Prompt) -> bool:
        """Whether the engine may stop: not where a thought could meet a stop string."""
        return prompt.raw or not self.reasoning_tokens

    def _find_limit(self, prompt: Prompt, factor: int = 1) -> int | None:
        limits = [limit for limit in (prompt.max_tokens, self.max_tokens) if limit is not None]
        room = 0 if self._stops(prompt) else self.reasoning_tokens
        return min(limits) * factor + room if limits else None

    def _render(self, prompt: Prompt) -> Any:
        """The prompt as the engine takes it: a text, or the tokens of a chat."""
        if prompt.raw:
            return str(prompt[0]["content"])
        chat_format = self._opens_turn(prompt)
        if chat_format is not None:
            return chat_format.open_turn(prompt)
        text: str = self._tokenizer.apply_chat_template(
            list(prompt), tokenize=False, add_generation_prompt=True, **self.chat_template_kwargs
        )
        # of a text the engine would make tokens with the one that begins a text, which the template has given
        return {"prompt_token_ids": list(self._tokenizer.encode(text, add_special_tokens=False))}


class _Said(NamedTuple):
    """What the engine said once, with its tokens; `n_in` and `n_out` count those of all tries."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    finish: str | None = None
    n_in: int = 0
    n_out: int = 0
    failure: str | None = None

    @property
    def cut(self) -> bool:
        """Whether its limit ran out."""
        return self.finish == "length"

    def plus(self, more: "_Said", *, anew: bool) -> "_Said":
        """It with what a further try said: in its place, or after it; without a text that changes nothing."""
        n_in, n_out = self.n_in + more.n_in, self.n_out + more.n_out
        if more.failure is not None or (anew and not more.text.strip()):
            return self._replace(n_in=n_in, n_out=n_out)
        if anew:
            return more._replace(n_in=n_in, n_out=n_out)
        text, tokens = self.text + more.text, self.tokens + more.tokens
        return self._replace(text=text, tokens=tokens, finish=more.finish, n_in=n_in, n_out=n_out)


def _read_said(said: _Said, prompt: Prompt) -> Answer:
    parts = split_reasoning(said.text)
    text, stopped = cut_at_stop(parts.content, prompt.stop)
    finish = "stop" if stopped else said.finish
    answer = Answer(
        text,
        None,
        finish == "length",
        said.n_in,
        said.n_out,
        reasoning=parts.reasoning,
        finish=finish,
    )
    if text.strip():
        return answer
    failure = SPENT if parts.open or parts.reasoning else EMPTY
    return answer._replace(text=None, failure=failure, cut=False, spent=failure == SPENT)
