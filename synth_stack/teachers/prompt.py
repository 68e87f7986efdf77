"""What a generator asks of a teacher, and what comes back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from synth_stack.teachers.grammar import Grammar

Message = dict[str, str]


class Prompt(list[Message]):
    """A distilabel chat input that also carries what distilabel has no place for.

    `seed` goes to the sampler; `max_tokens` and `stop` bound the answer; `sampling` overrides the
    teacher's own; `raw` says that the single message is a text to be continued, not a chat turn to be
    answered; `grammar` is what the answer may be, for a teacher that keeps to one (`takes_grammar`). A plain
    list works too and has none of them.
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
        grammar: Grammar | None = None,
    ) -> None:
        super().__init__(messages)
        self.seed = seed
        self.max_tokens = max_tokens
        self.stop = tuple(stop)
        self.sampling = dict(sampling or {})
        self.raw = raw
        self.grammar = grammar


class Answer(NamedTuple):
    """One answer of a teacher: the text, or None and the reason why there is none.

    `cut` says that the text stops where `max_tokens` ran out.
    """

    text: str | None
    failure: str | None = None
    cut: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
