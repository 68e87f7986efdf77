"""What a teacher is, what its tokens cost, and how its address may be written."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError
from synth_stack.teachers.health import Health


class Price(BaseModel):
    """The price of a million tokens, in and out; nothing is converted between currencies."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    input_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"

    def cost_of(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost, in `currency`."""
        return (input_tokens * self.input_per_million + output_tokens * self.output_per_million) / 1e6


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


BaseUrl = Annotated[str, AfterValidator(_check_url)]
"""`http://` or `https://`, ends in /v1; a key comes from the environment, never from an address."""
