"""Candidate rows as tests need them: what a test says of a row, and defaults for the rest."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.rows.schemas import build_candidates

Turn = tuple[str | None, str | None]
MakeRow = Callable[..., dict[str, Any]]
TextsTable = Callable[[Sequence[str | None]], pa.Table]


def make_row(*turns: Turn, draw: int = 0, **fields: Any) -> dict[str, Any]:
    """A candidate from its turns: make_row(("user", "Hi"), ("assistant", "Hello."), kind="dialogue").

    Its text is the contents with a blank line between them, as generators write it.
    """
    return {
        "kind": "instruction",
        "messages": [{"role": role, "content": content} for role, content in turns],
        "text": "\n\n".join(content or "" for _, content in turns) or None,
        "attachments": [],
        "generator": "test",
        "generator_version": "1",
        "draw": draw,
        "replayable": True,
        **fields,
    }


def make_foreign(text: str | None, **fields: Any) -> dict[str, Any]:
    """Somebody else's row that is a single text."""
    return make_row(
        **{"kind": "foreign", "text": text, "generator": "foreign", "replayable": False, **fields}
    )


def make_texts(texts: Sequence[str | None], *, first: int = 0, **fields: Any) -> pa.Table:
    """Foreign candidates, one per text, told apart by their draws from `first` on."""
    return build_candidates(make_foreign(text, draw=first + k, **fields) for k, text in enumerate(texts))
