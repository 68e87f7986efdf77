"""A teacher on any OpenAI-compatible server: llama.cpp, vLLM, Ollama or a hosted one."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from synth_stack.registry import teacher
from synth_stack.teachers.teacher import BaseUrl, Price

if TYPE_CHECKING:
    from synth_stack.teachers.openai_llm import TeacherLLM


@teacher("http", version="1")
def http(
    *,
    base_url: BaseUrl,
    model: Annotated[str, Field(min_length=1)],
    prompts: Literal["chat", "raw"] = "chat",
    api_key_env: str | None = None,
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.8,
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95,
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0,
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 16,
    retries: Annotated[int, Field(ge=0, le=10)] = 3,
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None,
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None,
    price: Price | None = None,
    chat_format: Literal["qwen2", "llama3"] | None = None,
) -> "TeacherLLM":
    """A distilabel LLM for the server at `base_url` (which ends in /v1).

    `api_key_env` names the environment variable that holds the key; the key itself is never stored.
    `prompts: raw` suits base and very small models. `chat_format` is the model's own, which Magpie needs;
    without it the server cannot be used by Magpie. Not replayable: a server elsewhere may batch and change.
    """
    from synth_stack.teachers.openai_llm import PRE_QUERY, TeacherLLM

    return TeacherLLM(
        base_url=base_url,
        model=model,
        prefers_raw=prompts == "raw",
        api_key_env=api_key_env,
        sampling={"temperature": temperature, "top_p": top_p},
        timeout_s=timeout_s,
        concurrency=concurrency,
        retries=retries,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        price=price,
        chat_format=chat_format,
        use_magpie_template=chat_format is not None,
        magpie_pre_query_template=PRE_QUERY[chat_format] if chat_format else None,
    )
