from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.rows import build_candidates

Turn = tuple[str | None, str | None]
MakeRow = Callable[..., dict[str, Any]]


@pytest.fixture
def row() -> MakeRow:
    """A candidate from its turns: row(("user", "Hi"), ("assistant", "Hello."), kind="dialogue")."""

    def make(*turns: Turn, draw: int = 0, **fields: Any) -> dict[str, Any]:
        return {
            "kind": "instruction",
            "messages": [{"role": role, "content": content} for role, content in turns],
            "text": "\n".join(content or "" for _, content in turns) or None,
            "attachments": [],
            "generator": "test",
            "generator_version": "1",
            "draw": draw,
            "replayable": True,
            **fields,
        }

    return make


@pytest.fixture
def texts_table() -> Callable[[Sequence[str | None]], pa.Table]:
    """Foreign candidates, one per text, each with an id of its own."""

    def make(texts: Sequence[str | None]) -> pa.Table:
        return build_candidates(
            {
                "kind": "foreign",
                "messages": [],
                "text": text,
                "attachments": [],
                "generator": "foreign",
                "generator_version": "1",
                "draw": position,
                "replayable": False,
            }
            for position, text in enumerate(texts)
        )

    return make


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The public corpora beside the checkout, where they exist."""
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no public corpora beside the checkout")
    return folder
