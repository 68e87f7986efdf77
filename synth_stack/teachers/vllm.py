"""vLLM as a teacher: a `vllm serve` endpoint, or the engine in this process where there is a GPU."""

import importlib.util
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, JsonValue

from synth_stack.errors import ConfigError, MissingExtra
from synth_stack.registry import FilePath, teacher
from synth_stack.teachers.chat_formats import ChatFormatName, choose_format, describe_format
from synth_stack.teachers.openai_requests import LeftOut, LimitField
from synth_stack.teachers.teacher import REASONING_TOKENS, BaseUrls, Price, check_extra_body, join_urls

if TYPE_CHECKING:
    from synth_stack.teachers.openai_llm import TeacherLLM
    from synth_stack.teachers.vllm_engine import EngineLLM


@teacher("vllm", version="2")
def vllm(
    *,
    model: Annotated[str, Field(min_length=1)],
    base_url: BaseUrls | None = None,
    prompts: Literal["chat", "raw"] = "chat",
    api_key_env: str | None = None,
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.8,
    top_p: Annotated[float, Field(gt=0, le=1)] | None = 0.95,
    top_k: Annotated[int, Field(ge=1)] | None = None,
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None,
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None,
    chat_template_kwargs: dict[str, JsonValue] = {},  # noqa: B006  (a signature read as a schema)
    limit_field: LimitField = "max_tokens",
    max_tokens: Annotated[int, Field(ge=1)] | None = None,
    reasoning_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = REASONING_TOKENS,
    leave_out: list[LeftOut] = [],  # noqa: B006  (likewise)
    extra_body: dict[str, JsonValue] = {},  # noqa: B006  (likewise)
    engine: dict[str, JsonValue] = {},  # noqa: B006  (likewise)
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 300.0,
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 64,
    retries: Annotated[int, Field(ge=0, le=10)] = 3,
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None,
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None,
    price: Price | None = None,
    chat_format: ChatFormatName | None = None,
    tokenizer: FilePath | None = None,
) -> "TeacherLLM | EngineLLM":
    """A distilabel LLM on vLLM: the server at `base_url`, or without one the engine in this process.

    `top_k`, `min_p` and `repetition_penalty` are vLLM's own; `chat_template_kwargs` go to the model's chat
    template (`{enable_thinking: false}`), and `extra_body` into every request as it stands, such as
    `structured_outputs`. `engine` goes to `vllm.LLM`, in process only. 64 requests in flight let the server
    batch; it queues what it cannot take. Not replayable: a batch changes the arithmetic of its rows.
    """
    sampling = _given(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
    )
    if base_url is None:
        _refuse("base_url", extra_body=extra_body)
        return _make_engine(
            model=model,
            sampling=sampling,
            extra_kwargs=engine,
            chat_template_kwargs=chat_template_kwargs,
            reasoning_tokens=reasoning_tokens,
            max_tokens=max_tokens,
            prefers_raw=prompts == "raw",
            price=price,
            **describe_format(choose_format(chat_format, tokenizer)),
        )
    _refuse("no base_url", engine=engine)
    check_extra_body(extra_body)

    from synth_stack.teachers.openai_llm import TeacherLLM

    return TeacherLLM(
        base_url=join_urls(base_url),
        model=model,
        limit_field=limit_field,
        max_tokens=max_tokens,
        reasoning_tokens=reasoning_tokens,
        leave_out=leave_out,
        schema_field="response_format",
        prefers_raw=prompts == "raw",
        api_key_env=api_key_env,
        sampling={**sampling, **_given(chat_template_kwargs=chat_template_kwargs or None), **extra_body},
        timeout_s=timeout_s,
        concurrency=concurrency,
        retries=retries,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        price=price,
        **describe_format(choose_format(chat_format, tokenizer)),
    )


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _refuse(wanted: str, **values: Any) -> None:
    for name, value in values.items():
        if value:
            raise ConfigError(f"teacher.{name} needs {wanted}", seen=value, mend="Leave one of them out.")


def _make_engine(**fields: Any) -> "EngineLLM":
    if importlib.util.find_spec("vllm") is None:
        raise MissingExtra(
            "the vllm teacher without base_url runs vLLM in this process, which is not installed",
            mend="Set teacher.base_url to a `vllm serve` endpoint, or on a machine with a GPU: "
            "pip install 'vllm==0.32.*'",
        )
    from synth_stack.teachers.vllm_engine import EngineLLM

    # vLLM finds its devices itself; distilabel's way of sharing them out needs one more library
    return EngineLLM(disable_cuda_device_placement=True, **fields)
