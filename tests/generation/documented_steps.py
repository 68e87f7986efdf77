"""Scripted LLMs, embeddings and first steps for the pipelines that distilabel documents."""

import re
from typing import Any

from distilabel.models import LLM, Embeddings
from distilabel.models.mixins.magpie import MagpieChatTemplateMixin
from distilabel.steps import GroupColumns, LoadDataFromDicts
from distilabel.steps import tasks as t
from pydantic import Field

Row = dict[str, Any]

QUESTIONS = [{"instruction": text} for text in ("How long is a refund?", "Where is it?", "Why so late?")]

REPLIES: tuple[tuple[str, str], ...] = (
    (r"(?i)ranking the questions|complexity|quality of", "[1] Score: 3\n[2] Score: 4\n[3] Score: 2"),
    (r"(?i)informativeness|rating|#### output for text", "Rating: 4\nRationale: It is so."),
    (r"(?i)5-point scale|additive", "It answers.\n\nScore: 4"),
)


class DocLLM(LLM, MagpieChatTemplateMixin):  # type: ignore[misc]  # distilabel has no types
    """Answers what a task can read, by what its prompt says; else a sentence on the prompt."""

    label: str = "a"
    says: list[tuple[str, str]] = Field(default_factory=list)
    structured_output: Any = None
    use_magpie_template: bool = True
    magpie_pre_query_template: str = "qwen2"

    def load(self) -> None:
        super().load()

    @property
    def model_name(self) -> str:
        return f"doc-{self.label}"

    def generate(self, inputs: list[Any], num_generations: int = 1) -> list[Any]:
        return [self._answer(chat, num_generations) for chat in inputs]

    def _answer(self, chat: Any, count: int) -> Row:
        asked = "\n".join(str(turn["content"]) for turn in (chat[0] if isinstance(chat, tuple) else chat))
        found = next((said for match, said in (*self.says, *REPLIES) if re.search(match, asked)), None)
        texts = [found or f"Answer {i} of {self.label} on {len(asked)} characters." for i in range(count)]
        return {
            "generations": texts,
            "statistics": {"input_tokens": [3] * count, "output_tokens": [4] * count},
        }


class DocEmbeddings(Embeddings):  # type: ignore[misc]  # likewise
    """Two numbers of a text."""

    def load(self) -> None:
        super().load()

    @property
    def model_name(self) -> str:
        return "doc-embeddings"

    def encode(self, inputs: list[str]) -> list[list[float]]:
        return [[len(text) / 7, text.count("e") / 3] for text in inputs]


def llm(label: str = "a", *says: tuple[str, str]) -> DocLLM:
    return DocLLM(label=label, says=list(says))


def load(data: list[Row] = QUESTIONS, batch_size: int = 2) -> Any:
    return LoadDataFromDicts(name="load", data=list(data), batch_size=batch_size)


def rated(name: str = "judge") -> Any:
    both = "#### Output for Text 1\nRating: 4\nRationale: Good.\n\n#### Output for Text 2\nRating: 2\nRationale: Poor."
    return t.UltraFeedback(name=name, llm=llm("judge", ("(?s).*", both)), aspect="instruction-following")


def two_writers() -> tuple[Any, Any]:
    writers = [t.TextGeneration(name=f"write_{label}", llm=llm(label)) for label in "ab"]
    group = GroupColumns(
        name="group",
        columns=["generation", "model_name"],
        output_columns=["generations", "generation_models"],
    )
    return writers, group
