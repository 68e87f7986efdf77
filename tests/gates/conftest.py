from pathlib import Path

import pytest

from tests.some_rows import MakeRow, TextsTable, make_row, make_texts


@pytest.fixture
def row() -> MakeRow:
    """A candidate from its turns: row(("user", "Hi"), ("assistant", "Hello."), kind="dialogue")."""
    return make_row


@pytest.fixture
def texts_table() -> TextsTable:
    """Foreign candidates, one per text, each with an id of its own."""
    return make_texts


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The public corpora beside the checkout, where they exist."""
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no public corpora beside the checkout")
    return folder
