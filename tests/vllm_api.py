"""A stand-in for vLLM that takes what its offline API takes, and nothing else (vLLM 0.6 to 0.33).

Names, defaults and refusals are those of `vllm.SamplingParams` and `vllm.LLM`; a token is a word. What an
answer is depends on the prompt's tokens and the seed alone.
"""

import hashlib
import importlib.machinery
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar


@dataclass
class SamplingParams:
    n: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    ignore_eos: bool = False
    max_tokens: int | None = 16
    min_tokens: int = 0

    def __post_init__(self) -> None:
        if self.n < 1 or not self.temperature >= 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"n, temperature or top_p is out of range, got {self}")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}.")
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ValueError("stop cannot contain an empty string.")


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    finish_reason: str | None


@dataclass
class RequestOutput:
    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]
    finished: bool = True


class Tokenizer:
    """Words as tokens; 1 begins a text. Its chat template knows `enable_thinking`."""

    def __init__(self) -> None:
        self.words: list[str] = ["", "<bos>"]
        self.templates: list[dict[str, Any]] = []

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        for word in text.split():
            if word not in self.words:
                self.words.append(word)
        return [1] * add_special_tokens + [self.words.index(word) for word in text.split()]

    def apply_chat_template(
        self,
        conversation: list[dict[str, Any]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        **kwargs: Any,
    ) -> str:
        assert not tokenize
        assert add_generation_prompt
        self.templates.append(kwargs)
        said = " ".join(f"<{each['role']}> {each['content']}" for each in conversation)
        return f"<bos> {said} <assistant>"


class EngineCore:
    def __init__(self) -> None:
        self.is_shut = False

    def shutdown(self) -> None:
        self.is_shut = True


class LLMEngine:
    def __init__(self) -> None:
        self.engine_core = EngineCore()


class LLM:
    """`calls` are the numbers of prompts of each generate; `says` is what is answered in the place of words."""

    made: ClassVar[list["LLM"]] = []
    says: ClassVar[dict[str, str]] = {}
    dies_after: int | None = None
    pause_s = 0.0
    context_tokens = 400

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        trust_remote_code: bool = False,
        quantization: str | None = None,
        revision: str | None = None,
        tokenizer: str | None = None,
        tokenizer_mode: str = "auto",
        tokenizer_revision: str | None = None,
        skip_tokenizer_init: bool = False,
        seed: int = 0,
        tensor_parallel_size: int = 1,
        max_model_len: int | None = None,
    ) -> None:
        self.model = model
        self.tensor_parallel_size = tensor_parallel_size
        self.llm_engine = LLMEngine()
        self.tokenizer = Tokenizer()
        self.calls: list[int] = []
        self.asked: list[tuple[Any, SamplingParams]] = []
        self._busy = threading.Lock()
        LLM.made.append(self)

    def get_tokenizer(self) -> Tokenizer:
        return self.tokenizer

    def generate(
        self,
        prompts: Any,
        sampling_params: Sequence[SamplingParams] | None = None,
        *,
        use_tqdm: bool = True,
    ) -> list[RequestOutput]:
        assert isinstance(prompts, list)
        assert sampling_params is not None
        assert len(prompts) == len(sampling_params)
        assert all(isinstance(params, SamplingParams) for params in sampling_params)
        assert self._busy.acquire(blocking=False), "LLM.generate is not to be called by two threads at a time"
        try:
            read = [self._read(prompt) for prompt in prompts]
            self.calls.append(len(prompts))
            time.sleep(self.pause_s)
            if self.dies_after is not None and len(self.calls) > self.dies_after:
                raise RuntimeError("EngineCore encountered an issue. See stack trace (above).")
            self.asked += zip(prompts, sampling_params, strict=True)
            return [self._answer(*each) for each in zip(read, sampling_params, strict=True)]
        finally:
            self._busy.release()

    def _read(self, prompt: Any) -> list[int]:
        if isinstance(prompt, str):
            tokens = self.tokenizer.encode(prompt)
        else:
            assert set(prompt) == {"prompt_token_ids"}
            tokens = prompt["prompt_token_ids"]
            assert all(isinstance(token, int) for token in tokens)
        assert tokens.count(1) + tokens.count(self.tokenizer.encode("<bos>", False)[0]) <= 2
        if len(tokens) > self.context_tokens:
            raise ValueError(
                f"The decoder prompt (length {len(tokens)}) is longer than the maximum model length of "
                f"{self.context_tokens}."
            )
        return tokens

    def _answer(self, tokens: list[int], params: SamplingParams) -> RequestOutput:
        text = " ".join(self.tokenizer.words[token] for token in tokens)
        outputs = []
        for index in range(params.n):
            name = hashlib.sha256(f"{text} {params.seed} {index}".encode()).hexdigest()
            whole = next((said for asked, said in self.says.items() if asked in text), "")
            said = text.partition("<assistant>")[2].split()  # what an answer that is gone on with has already
            words = (whole or f"The order {name[:6]} was lost again.").split()[len(said) if whole else 0 :]
            kept = words[: params.max_tokens]
            outputs.append(
                CompletionOutput(
                    index,
                    (" " if said else "") + " ".join(kept),
                    self.tokenizer.encode(" ".join(kept), add_special_tokens=False),
                    "stop" if len(kept) == len(words) else "length",
                )
            )
        return RequestOutput("0", None, tokens, outputs)


@contextmanager
def installed(**said: Any) -> Iterator[type[LLM]]:
    """Within it `import vllm` gives this; `said` are attributes of its LLM."""
    module = ModuleType("vllm")
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    engine = type("LLM", (LLM,), {"made": LLM.made, **said})
    module.LLM, module.SamplingParams = engine, SamplingParams  # type: ignore[attr-defined]
    LLM.made.clear()
    before = sys.modules.get("vllm")
    sys.modules["vllm"] = module
    try:
        yield engine
    finally:
        del sys.modules["vllm"]
        if before is not None:
            sys.modules["vllm"] = before
