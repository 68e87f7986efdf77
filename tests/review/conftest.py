from collections.abc import Iterator
from pathlib import Path

import pytest

from synth_stack.review.server.local_server import LocalServer
from tests.argilla_server import start_server


@pytest.fixture(scope="session")
def argilla(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One real server for all tests; each has a run, and so datasets, of its own."""
    with start_server(tmp_path_factory.mktemp("argilla") / "server") as server:
        yield server


@pytest.fixture(autouse=True)
def _own_review_key(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of reviewer ids of the test session's own."""
    folder: Path = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("SYNTH_STACK_REVIEW_KEY", str(folder / "review.key"))
    for name in ("ARGILLA_API_URL", "ARGILLA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
