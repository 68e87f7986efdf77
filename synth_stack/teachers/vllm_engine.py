"""vLLM's engine in this process as a distilabel LLM, with a seed, stop strings and a limit per row."""

import importlib
from pathlib import Path
from typing import Any

from pydantic import Field

from synth_stack.errors import ConfigError, ModelError
from synth_stack.teachers.chat_formats import ChatFormat, read_format
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_llm import collect_answers, vLLM
from synth_stack.teachers.openai_replies import EMPTY, SPENT
from synth_stack.teachers.openai_requests import cut_at_stop
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.teachers.reasoning import split_reasoning
from synth_stack.teachers.teacher import Price


class EngineLLM(vLLM):  # type: ignore[misc]  # distilabel has no types
    """distilabel's vLLM, which asks all rows of a batch alike, with what each of our prompts asks for.

    The engine schedules a whole batch by itself, so `batch_rows` is what it may work on at a time. Needs a
    GPU: the tests only see that it is refused without vLLM.
    """

    sampling: dict[str, Any] = Field(default_factory=dict)
    prefers_raw: bool = False
    chat_format: str | None = None
    chat_template: list[str] = Field(default_factory=list)
    price: Price | None = None
    digest: str | None = None
    replayable: bool = False
    concurrency: int = 1
    gives_reasoning: bool = True
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    reasoning_tokens: int = 0
    max_tokens: int | None = None

    @property
    def health(self) -> Health | None:
        return None

    @property
    def address(self) -> str | None:
        return None

    def load(self) -> None:
        try:
            super().load()
        except (ImportError, OSError, RuntimeError, ValueError) as exc:
            raise ModelError(f"vLLM cannot load {self.model}: {exc}") from exc

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

    def generate(
        self, inputs: list[list[dict[str, str]]], num_generations: int = 1, **kwargs: Any
    ) -> list[dict[str, Any]]:
        sampling_params = importlib.import_module("vllm").SamplingParams
        prompts = [prompt if isinstance(prompt, Prompt) else Prompt(prompt) for prompt in inputs]
        asked = [
            sampling_params(
                n=num_generations,
                seed=prompt.seed,
                max_tokens=self._find_limit(prompt),
                stop=self._list_stops(prompt),
                **{**self.sampling, **prompt.sampling},
            )
            for prompt in prompts
        ]
        texts = [self._render(prompt) for prompt in prompts]
        said = self._model.generate(texts, asked, use_tqdm=False)
        return [
            collect_answers([_read(out, len(one.prompt_token_ids), prompt) for out in one.outputs], prompt)
            for one, prompt in zip(said, prompts, strict=True)
        ]

    def _opens_turn(self, prompt: Prompt) -> ChatFormat | None:
        """The format in which the model writes the user's next turn; None for a prompt that it answers."""
        if prompt.raw or (prompt and prompt[-1]["role"] == "user"):
            return None
        return read_format(self.chat_format, self.chat_template)

    def _list_stops(self, prompt: Prompt) -> list[str]:
        opened = self._opens_turn(prompt)
        if opened is not None:
            return list(dict.fromkeys([*prompt.stop, *opened.stop]))
        return list(prompt.stop) if self._stops(prompt) else []

    def _stops(self, prompt: Prompt) -> bool:
        """Whether the engine may stop: not where a thought could meet a stop string."""
        return prompt.raw or not self.reasoning_tokens

    def _find_limit(self, prompt: Prompt) -> int | None:
        limits = [limit for limit in (prompt.max_tokens, self.max_tokens) if limit is not None]
        room = 0 if self._stops(prompt) else self.reasoning_tokens
        return min(limits) + room if limits else None

    def _render(self, prompt: Prompt) -> str:
        if prompt.raw:
            return prompt[0]["content"]
        chat_format = self._opens_turn(prompt)
        if chat_format is not None:
            return chat_format.open_turn(prompt)
        text: str = self._tokenizer.apply_chat_template(
            list(prompt), tokenize=False, add_generation_prompt=True, **self.chat_template_kwargs
        )
        return text


def _read(output: Any, input_tokens: int, prompt: Prompt) -> Answer:
    said = split_reasoning(output.text)
    text, stopped = cut_at_stop(said.content, prompt.stop)
    finish = "stop" if stopped else output.finish_reason
    answer = Answer(
        text,
        None,
        finish == "length",
        input_tokens,
        len(output.token_ids),
        reasoning=said.reasoning,
        finish=finish,
    )
    if text.strip():
        return answer
    failure = SPENT if said.open or said.reasoning else EMPTY
    return answer._replace(text=None, failure=failure, cut=False, spent=failure == SPENT)
