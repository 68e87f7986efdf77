"""What a gate may reach beyond its own files: a language model, the Hub, what the recipe names."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from synth_stack.errors import GateError

Ask = Callable[[Sequence[str]], Sequence[str | None]]
"""Prompts to answers, one for each in order; None where the model gave none."""

Rate = Callable[[Sequence[str]], Sequence[float | None]]
"""Questions to be answered with yes or no, to how probable yes is, one for each in order; None where neither
was said."""


class Resources(Protocol):
    """Handed to a gate whose factory takes `resources`; the gate reaches nothing by itself."""

    @property
    def documents(self) -> Path | None:
        """The recipe's folder of documents, or None."""

    @property
    def baseline(self) -> Path | None:
        """The recipe's file of real rows that synthetic ones are compared with, or None."""

    @property
    def attachments(self) -> Path | None:
        """The folder that the paths of attachments are taken from, or None."""

    @property
    def terms(self) -> Mapping[str, Mapping[str, str]]:
        """What the recipe declares of its models: by name and by digest, `output`, `license` and `url`."""

    def make_asker(self, teacher: Mapping[str, Any], where: str) -> Ask:
        """A function that asks a teacher (`use` and its parameters) for a word or two, greedily, inside the
        run's perimeter.

        Raises ConfigError for what is no teacher; the function raises TeacherError when it is down.
        """

    def make_writer(self, teacher: Mapping[str, Any], where: str) -> Ask:
        """A function that asks a teacher for texts, likewise; one that is cut off is none."""

    def make_rater(self, teacher: Mapping[str, Any], where: str) -> Rate:
        """A function that asks a teacher yes or no, and reads how probable either is as its first token.

        Of a teacher that does not tell, the word that it says counts as certain. Raises as `make_asker` does.
        """

    def open_hub(self, name: str, *, config: str | None, split: str, revision: str | None) -> Any:
        """The records of a dataset of the Hub. Raises InputError, MissingExtra."""


class NoResources:
    """What there is in a worker process: nothing. Each use raises GateError.

    A gate that takes resources and uses none of them for its parameters can be built there as well.
    """

    @property
    def documents(self) -> Path | None:
        """Raises GateError."""
        _refuse("the recipe's documents")

    @property
    def baseline(self) -> Path | None:
        """Raises GateError."""
        _refuse("the recipe's baseline")

    @property
    def attachments(self) -> Path | None:
        """Raises GateError."""
        _refuse("files beside the rows")

    @property
    def terms(self) -> Mapping[str, Mapping[str, str]]:
        """Raises GateError."""
        _refuse("the terms that the recipe declares")

    def make_asker(self, teacher: Mapping[str, Any], where: str) -> Ask:
        """Raises GateError."""
        _refuse("a language model")

    def make_writer(self, teacher: Mapping[str, Any], where: str) -> Ask:
        """Raises GateError."""
        _refuse("a language model")

    def make_rater(self, teacher: Mapping[str, Any], where: str) -> Rate:
        """Raises GateError."""
        _refuse("a language model")

    def open_hub(self, name: str, *, config: str | None, split: str, revision: str | None) -> Any:
        """Raises GateError."""
        _refuse("the Hub")


def _refuse(what: str) -> NoReturn:
    raise GateError(
        f"a gate reaches for {what} where there are no resources",
        mend="Let the gate say in `alone` of its Judge why it cannot be built in another process.",
    )
