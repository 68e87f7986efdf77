"""A teacher on any OpenAI-compatible server: llama.cpp, vLLM, Ollama, litellm, Azure or a hosted one."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, JsonValue

from synth_stack.registry import FilePath, teacher
from synth_stack.teachers.chat_formats import ChatFormatName, choose_format, describe_format
from synth_stack.teachers.openai_requests import LeftOut, LimitField, SchemaField
from synth_stack.teachers.teacher import REASONING_TOKENS, BaseUrls, Price, check_extra_body, join_urls

if TYPE_CHECKING:
    from synth_stack.teachers.openai_llm import TeacherLLM


@teacher("http", version="2")
def http(
    *,
    base_url: BaseUrls,
    model: Annotated[str, Field(min_length=1)],
    prompts: Literal["chat", "raw"] = "chat",
    api_key_env: str | None = None,
    api_key_header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")] = "Authorization",
    query: dict[str, str] = {},  # noqa: B006  (a signature read as a schema; never mutated)
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.8,
    top_p: Annotated[float, Field(gt=0, le=1)] | None = 0.95,
    limit_field: LimitField = "max_tokens",
    max_tokens: Annotated[int, Field(ge=1)] | None = None,
    reasoning_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = REASONING_TOKENS,
    leave_out: list[LeftOut] = [],  # noqa: B006  (likewise)
    schema_field: SchemaField | None = None,
    extra_body: dict[str, JsonValue] = {},  # noqa: B006  (likewise)
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0,
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 16,
    retries: Annotated[int, Field(ge=0, le=10)] = 3,
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None,
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None,
    price: Price | None = None,
    chat_format: ChatFormatName | None = None,
    tokenizer: FilePath | None = None,
) -> "TeacherLLM":
    """A distilabel LLM for the server at `base_url` (which ends in /v1), or for several with the same model.

    `api_key_env` names the environment variable that holds the key; the key itself is never stored.
    `prompts: raw` suits base and very small models. `chat_format` is the model's own by name, or
    `tokenizer` the tokenizer whose chat template says it; without either Magpie cannot use the server.
    `limit_field`, `leave_out` and `extra_body` are for servers that want to be asked otherwise;
    `schema_field` says how this one takes the schema of an answer; null is not sent as temperature or top_p.
    `reasoning_tokens` is the room to think in, beside what an answer may have; 0 for a model that does not.
    Not replayable: a server elsewhere may batch and change.
    """
    from synth_stack.teachers.openai_llm import TeacherLLM

    check_extra_body(extra_body)
    sampling: dict[str, Any] = {"temperature": temperature, "top_p": top_p}
    return TeacherLLM(
        base_url=join_urls(base_url),
        model=model,
        prefers_raw=prompts == "raw",
        api_key_env=api_key_env,
        api_key_header=api_key_header,
        query=query,
        sampling={**{name: value for name, value in sampling.items() if value is not None}, **extra_body},
        limit_field=limit_field,
        max_tokens=max_tokens,
        reasoning_tokens=reasoning_tokens,
        leave_out=leave_out,
        schema_field=schema_field,
        timeout_s=timeout_s,
        concurrency=concurrency,
        retries=retries,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        price=price,
        **describe_format(choose_format(chat_format, tokenizer)),
    )
