"""A judged run with held rows, its pack, and a page over each."""

import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from synth_stack.packs.signers import local_signer
from synth_stack.packs.write import write_pack
from synth_stack.ui.judging import Desk
from synth_stack.ui.server import LocalPage
from tests.review.toy_run import make_toy_run

REVIEWER = ("ann", b"k" * 32)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_run(tmp_path_factory.mktemp("toy"), {"a/b": 40, "c": 20})


@pytest.fixture(scope="session")
def pack(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    return write_pack(toy, folder / "pack", signer=local_signer(folder / "key.pem")).path


@pytest.fixture
def run(toy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy, tmp_path / "judged"))


@contextmanager
def serve(folder: Path, desk: Desk | None) -> Iterator[LocalPage]:
    """The page over a folder, as long as the block lasts."""
    with LocalPage(folder, desk) as page:
        thread = threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield page
        finally:
            page.shutdown()
            thread.join()


def ask(page: LocalPage, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """The status and the JSON of a request with the token; `headers` replace others."""
    connection = http.client.HTTPConnection(*page.server_address[:2], timeout=20)  # type: ignore[arg-type]
    given = {"Authorization": f"Bearer {page.token}"} | headers
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, sent, given)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(data) if answer.getheader("Content-Type") == "application/json" else data
