"""What a generator asks of a teacher, and what comes back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from synth_stack.inputs.template_use import OnCut
from synth_stack.teachers.grammar import Grammar

Message = dict[str, Any]
"""A chat message as servers have it: `role` and `content`, and `tool_calls` or `tool_call_id` beside them."""


def tell_message(message: Mapping[str, Any]) -> str:
    """What a message says, its calls as JSON among it."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    said = [message.get("content") or "", json.dumps(calls, ensure_ascii=False) if calls else ""]
    return "\n".join(part for part in said if part)


class Prompt(list[Message]):
    """A distilabel chat input that also carries what distilabel has no place for.

    `seed` goes to the sampler; `max_tokens` and `stop` bound the answer; `sampling` overrides the
    teacher's own; `raw` says that the single message is a text to be continued, not a chat turn to be
    answered; `tools` are schemas that the answer may call; `grammar` is what the answer may be, for a teacher
    that keeps to one (`takes_grammar`); `schema` is the JSON schema of the answer, for a teacher that was
    told how its server takes one; `choices` are words of which the record of the answer says how probable
    each was as its beginning, where the server tells. A plain list works too and has none of them.
    """

    def __init__(
        self,
        messages: Iterable[Message],
        *,
        seed: int | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        sampling: Mapping[str, float] | None = None,
        raw: bool = False,
        on_cut: OnCut = "fail",
        tools: Sequence[Mapping[str, Any]] = (),
        grammar: Grammar | None = None,
        schema: Mapping[str, Any] | None = None,
        choices: Sequence[str] = (),
    ) -> None:
        super().__init__(messages)
        self.seed = seed
        self.max_tokens = max_tokens
        self.stop = tuple(stop)
        self.sampling = dict(sampling or {})
        self.raw = raw
        self.on_cut = on_cut
        self.tools = tuple(tools)
        self.grammar = grammar
        self.schema = schema
        self.choices = tuple(choices)

    def with_messages(
        self, messages: Iterable[Message], *, tools: Sequence[Mapping[str, Any]] | None = None
    ) -> "Prompt":
        """The prompt with other messages, and with other tools where some are given."""
        return Prompt(
            messages,
            seed=self.seed,
            max_tokens=self.max_tokens,
            stop=self.stop,
            sampling=self.sampling,
            raw=self.raw,
            on_cut=self.on_cut,
            tools=self.tools if tools is None else tools,
            grammar=self.grammar,
            schema=self.schema,
            choices=self.choices,
        )


class Answer(NamedTuple):
    """One answer of a teacher: the text, or None and the reason why there is none.

    `cut` says that the text stops where its limit ran out; `finish` how it ended, as servers call it (stop,
    length, content_filter, tool_calls). `reasoning` is what the model thought before, never a part of the
    text. `cached_tokens` are those of `input_tokens` that the server had at hand. `spent` marks an answer
    of which nothing but thought came. `beginnings` says of likely first tokens how probable each was, where
    that was asked for.
    """

    text: str | None
    failure: str | None = None
    cut: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning: str | None = None
    finish: str | None = None
    tool_calls: tuple[Mapping[str, str], ...] = ()
    cached_tokens: int = 0
    spent: bool = False
    beginnings: Mapping[str, float] | None = None

    def plus(self, other: "Answer") -> "Answer":
        """The answer with the tokens of another call for the same prompt added."""
        return self._replace(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )
