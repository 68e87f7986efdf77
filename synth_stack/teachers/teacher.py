"""What a teacher is, what its tokens cost, and how its address may be written."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_requests import OWN_KEYS


class Price(BaseModel):
    """The price of a million tokens, in and out; nothing is converted between currencies.

    `cached_input_per_million` is that of tokens that the server had in its prompt cache; without it they
    cost what others do.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    input_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cached_input_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"

    def cost_of(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float:
        """What so many tokens cost, in `currency`; `cached_tokens` are some of those that went in."""
        cached = min(cached_tokens, input_tokens)
        rate = self.cached_input_per_million
        cached_rate = self.input_per_million if rate is None else rate
        read = (input_tokens - cached) * self.input_per_million + cached * cached_rate
        return (read + output_tokens * self.output_per_million) / 1e6

    def scaled(self, share: float) -> "Price":
        """The price of a server that bills `share` of this one."""
        cached = self.cached_input_per_million
        return Price(
            input_per_million=share * self.input_per_million,
            output_per_million=share * self.output_per_million,
            cached_input_per_million=None if cached is None else share * cached,
            currency=self.currency,
        )


@runtime_checkable
class Teacher(Protocol):
    """A distilabel LLM that says of itself what a run has to know before it asks, and what it records.

    Whatever a run asks is one; a distilabel LLM without these is asked only by its author's own pipeline.
    """

    @property
    def model_name(self) -> str:
        """The name that rows carry."""

    @property
    def digest(self) -> str | None:
        """What tells this model from another of the same name; None where nothing can be known."""

    @property
    def replayable(self) -> bool:
        """Whether the same prompt and seed give the same text, always."""

    @property
    def sampling(self) -> Mapping[str, Any]:
        """The sampling parameters of every prompt that does not bring its own, for the record."""

    @property
    def prefers_raw(self) -> bool:
        """Whether it continues a text with examples better than it follows a chat (base and small models)."""

    @property
    def takes_grammar(self) -> bool:
        """Whether an answer keeps to the grammar of its prompt; where not, the grammar is not sent."""

    @property
    def takes_tools(self) -> bool:
        """Whether it takes the `tools` of a prompt, and answers with calls of them."""

    @property
    def price(self) -> Price | None:
        """What its tokens cost, where that was said."""

    @property
    def health(self) -> Health | None:
        """Whether it can still answer; None where every failure is that of its row."""

    @property
    def concurrency(self) -> int:
        """How many prompts it takes at a time, from several threads; 1 is asked by one thread alone."""

    @property
    def address(self) -> str | None:
        """The URL of the server that prompts go to; None for a model in this process."""

    @property
    def chat_format(self) -> str | None:
        """The model's own chat format, by name; None where it is not known."""

    @property
    def gives_reasoning(self) -> bool:
        """Whether its answers may carry what the model thought, apart from what it says."""

    def check(self) -> None:
        """Raises TeacherError or ConfigError when no row could be answered. Sends no prompt."""

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Send prompts to this machine and `allow_hosts` alone. Raises ConfigError where that cannot be."""

    def load(self) -> None:
        """Make it ready to answer; a second call changes nothing."""

    def generate(self, inputs: list[Any], num_generations: int = 1) -> list[dict[str, Any]]:
        """One distilabel GenerateOutput for each prompt, in order, with our `call` beside each answer."""

    def unload(self) -> None:
        """Let go of what `load` took."""


REASONING_TOKENS = 4096
"""Room to think in that a model gets beside its answer: most thoughts of 8B to 32B models on everyday tasks
end within it, and a model that does not think never uses it."""

_PARTS: Sequence[str] = sorted(name for name in vars(Teacher) if not name.startswith("_"))


def require_teacher(name: str, made: object) -> Teacher:
    """What the registered function `name` made, if it is a teacher. Raises ConfigError with what it lacks."""
    if isinstance(made, Teacher):
        return made
    raise ConfigError(
        f"teacher {name} is not what a run can ask",
        seen=f"{type(made).__name__} without {', '.join(part for part in _PARTS if not hasattr(made, part))}",
        mend="Derive its class from synth_stack.extend.SharedLLM, which has a default for each of them.",
    )


def _check_url(text: str) -> str:
    # the value is not repeated: there may be a password in it
    if not re.fullmatch(r"https?://[^\s@]+", text):
        raise ValueError("http:// or https://, and no space, user or password in it")
    return text


def _check_urls(value: str | list[str]) -> str | list[str]:
    listed = [value] if isinstance(value, str) else value
    if not listed or len(set(listed)) != len(listed):
        raise ValueError("one address, or a list of different ones")
    for each in listed:
        _check_url(each)
    return value


BaseUrls = Annotated[str | list[str], AfterValidator(_check_urls)]
"""One address, or several of servers that serve the same model: `http://` or `https://`, ends in /v1. A key
comes from the environment, never from an address."""


def join_urls(base_url: str | list[str]) -> str:
    """The addresses with blanks between them, as an LLM takes them."""
    return base_url if isinstance(base_url, str) else " ".join(base_url)


def check_extra_body(extra_body: Mapping[str, Any]) -> None:
    """Raises ConfigError for what each row says for itself, and for what looks like a key."""
    if taken := OWN_KEYS & extra_body.keys():
        raise ConfigError(
            "teacher.extra_body names what each row says for itself",
            seen=", ".join(sorted(taken)),
            mend="Leave it out; generate.methods[].templates of the recipe sets it.",
        )
    if secret := [name for name in extra_body if _SECRET.search(name)]:
        raise ConfigError(
            "teacher.extra_body stands in the lock of the run and may hold no key",
            seen=", ".join(sorted(secret)),
            mend="Name the environment variable that holds it: teacher.api_key_env.",
        )


_SECRET = re.compile(r"(?i)api[_-]?key|authorization|password|secret|credential")
