"""From a prompt to the JSON that a server is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from synth_stack.teachers.chat_formats import ChatFormat
from synth_stack.teachers.grammar import write_gbnf
from synth_stack.teachers.prompt import Prompt

LimitField = Literal["max_tokens", "max_completion_tokens"]
LeftOut = Literal["sampling", "seed", "stop", "logprobs"]
SchemaField = Literal["response_format", "json_object", "guided_json", "json_schema"]
"""How a server is told the schema of an answer: as OpenAI has it, as JSON of any form (older servers), as
vLLM before 0.12, as llama.cpp."""

OWN_KEYS = frozenset({"model", "messages", "prompt", "seed", "max_tokens", "stop", "stream", "n", "tools"})
"""Keys of a request that are ours: each row has its own prompt, seed, limit and stop strings."""


@dataclass(frozen=True, slots=True)
class RequestForm:
    """How a server wants to be asked, the same for every prompt.

    `limit_field` is the key of the token limit, and `max_tokens` the most that any answer may have;
    `left_out` names what the server does not take. `chat_format` is that of Magpie's prompts.
    `takes_grammar`: it keeps to a grammar in llama.cpp's notation. `schema_field`: how it takes a JSON
    schema.
    """

    model: str
    sampling: Mapping[str, Any] = field(default_factory=dict)
    limit_field: LimitField = "max_tokens"
    max_tokens: int | None = None
    left_out: Sequence[LeftOut] = ()
    chat_format: ChatFormat | None = None
    takes_grammar: bool = False
    schema_field: SchemaField | None = None

    def write(
        self, prompt: Prompt, number: int, *, room: int = 0, stops: bool = True, after: str = ""
    ) -> tuple[dict[str, Any], bool]:
        """The body of a request for answer `number` of a prompt, and whether it is a raw completion.

        `room` is added to the limit of the prompt; without `stops` its stop strings are not sent; `after` is
        what has been said, for an answer that is gone on with.
        """
        body: dict[str, Any] = {"model": self.model, **self.sampling, **prompt.sampling}
        if "sampling" in self.left_out:
            body = {key: value for key, value in body.items() if key not in _SAMPLING}
        if prompt.seed is not None and "seed" not in self.left_out:
            body["seed"] = (prompt.seed + number) % 2**31
        limit = self.find_limit(prompt, room)
        if limit is not None:
            body[self.limit_field] = limit
        if prompt.stop and stops and "stop" not in self.left_out:
            body["stop"] = list(prompt.stop)
        if prompt.tools:
            body["tools"] = list(prompt.tools)
        body |= self._bind_answer(prompt)
        if prompt.raw:
            return {**body, "prompt": prompt[0]["content"] + after}, True
        # Magpie: a chat that does not end with the user is continued as if it were the user's turn; one with
        # tools ends with their results
        if self.chat_format and not prompt.tools and (not prompt or prompt[-1]["role"] != "user"):
            text = self.chat_format.open_turn(prompt)
            if stops and "stop" not in self.left_out:
                body["stop"] = list(dict.fromkeys([*prompt.stop, *self.chat_format.stop]))
            return {**body, "prompt": text + after}, True
        if not after:
            return {**body, "messages": list(prompt)}, False
        going_on = {"add_generation_prompt": False, "continue_final_message": True}
        messages = [*prompt, {"role": "assistant", "content": after}]
        return {**body, "messages": messages, **going_on}, False

    def _bind_answer(self, prompt: Prompt) -> dict[str, Any]:
        """The keys that keep an answer to a grammar or a schema, where the server takes one, or ask for what
        its beginning might have been.
        """
        if prompt.choices and not prompt.raw and "logprobs" not in self.left_out:
            return {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        if prompt.grammar is not None and self.takes_grammar:
            return {"grammar": write_gbnf(prompt.grammar)}
        if prompt.schema is not None and self.schema_field is not None:
            return _write_schema(prompt.schema, self.schema_field)
        return {}

    def find_limit(self, prompt: Prompt, room: int = 0) -> int | None:
        """The most tokens that an answer to a prompt may have."""
        limits = [limit for limit in (prompt.max_tokens, self.max_tokens) if limit is not None]
        return min(limits) + room if limits else None


def _write_schema(schema: Mapping[str, Any], field_: SchemaField) -> dict[str, Any]:
    """The keys of a request that keep its answer to a schema."""
    if field_ == "json_object":
        return {"response_format": {"type": "json_object"}}
    if field_ != "response_format":
        return {field_: schema}
    said = {"name": "answer", "schema": schema, "strict": is_closed(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": said}}


def is_closed(schema: Any, depth: int = 0) -> bool:
    """Whether every object in a schema names all that it holds and requires it: what OpenAI calls strict."""
    if depth > _MAX_SCHEMA_DEPTH:
        return False
    if isinstance(schema, list):
        return all(is_closed(item, depth + 1) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, Mapping):
        named = set(properties) if isinstance(properties, Mapping) else set()
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != named:
            return False
    return all(is_closed(item, depth + 1) for item in schema.values())


_MAX_SCHEMA_DEPTH = 40


_TOP_LOGPROBS = 20
"""The most that OpenAI, vLLM and others give."""


def cut_at_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of the stop strings in it, and whether there was one."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


_SAMPLING = frozenset(
    """temperature top_p top_k min_p typical_p frequency_penalty presence_penalty repetition_penalty
    repeat_penalty""".split()
)
