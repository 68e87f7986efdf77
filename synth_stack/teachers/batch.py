"""A teacher behind the batch API of OpenAI's form: requests go up as a file, answers come down as one."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, JsonValue

from synth_stack.registry import teacher
from synth_stack.teachers.openai_requests import LeftOut, LimitField
from synth_stack.teachers.teacher import REASONING_TOKENS, Price, check_extra_body

if TYPE_CHECKING:
    from synth_stack.teachers.batch_llm import BatchLLM

PRICE_SHARE = 0.5
"""What OpenAI, Mistral and Groq bill for a batch, of the price of the same tokens asked one by one."""


@teacher("batch", version="1")
def batch(
    *,
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")],
    model: Annotated[str, Field(min_length=1)],
    api_key_env: str | None = None,
    api_key_header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")] = "Authorization",
    query: dict[str, str] = {},  # noqa: B006  (a signature read as a schema; never mutated)
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.8,
    top_p: Annotated[float, Field(gt=0, le=1)] | None = 0.95,
    limit_field: LimitField = "max_tokens",
    max_tokens: Annotated[int, Field(ge=1)] | None = None,
    reasoning_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = REASONING_TOKENS,
    leave_out: list[LeftOut] = [],  # noqa: B006  (likewise)
    extra_body: dict[str, JsonValue] = {},  # noqa: B006  (likewise)
    takes_tools: bool = False,
    requests_per_batch: Annotated[int, Field(ge=1, le=50_000)] = 2_000,
    completion_window: Literal["24h"] = "24h",
    poll_s: Annotated[float, Field(gt=0, le=3600)] = 30.0,
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0,
    retries: Annotated[int, Field(ge=0, le=10)] = 3,
    price: Price | None = None,
    price_share: Annotated[float, Field(ge=0, le=1)] = PRICE_SHARE,
) -> "BatchLLM":
    """A distilabel LLM that asks in batches: what hosted servers answer within a day at about half the price.

    The requests of all rows under way are gathered, up to `requests_per_batch`, uploaded as JSON Lines, and
    the batch is looked at every `poll_s`. A request is named after what it asks, so a run that was killed
    finds its batches on the server again and pays for none of them twice. Each step of a method is a batch
    of its own, and a cut answer that is asked for again another one. `reasoning_tokens` is added to every
    limit; set 0 for a model that does not think. `price` is what the server lists for requests one by one;
    `price_share` of it is what a batch costs.
    """
    from synth_stack.teachers.batch_llm import BatchLLM

    check_extra_body(extra_body)
    sampling: dict[str, Any] = {"temperature": temperature, "top_p": top_p}
    return BatchLLM(
        base_url=base_url,
        model=model,
        api_key_env=api_key_env,
        api_key_header=api_key_header,
        query=query,
        sampling={**{name: value for name, value in sampling.items() if value is not None}, **extra_body},
        limit_field=limit_field,
        max_tokens=max_tokens,
        reasoning_tokens=reasoning_tokens,
        leave_out=leave_out,
        takes_tools=takes_tools,
        concurrency=requests_per_batch,
        completion_window=completion_window,
        poll_s=poll_s,
        timeout_s=timeout_s,
        retries=retries,
        price=None if price is None else price.scaled(price_share),
    )
