"""Which node is found: none, one that is no node, and one that is too old are told in words."""

from pathlib import Path

import pytest

from synth_stack.sandbox.runtimes import PYTHON, Runtime, find_node, read_runtime


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def find(folder: Path, says: str | None) -> Runtime | str:
    if says is not None:
        (folder / "node").write_text(f"#!/bin/sh\n{says}\n")
        (folder / "node").chmod(0o755)
    return find_node.__wrapped__()


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (None, "there is no node on PATH"),
        ("exit 1", "does not answer as node does"),
        ("echo hello", "does not answer as node does"),
        ("echo []", "does not answer as node does"),
        ("""echo '{"path": "/n", "version": "v16.20.0", "files": []}'""", "node v16.20.0 is older than 18"),
        ("""echo '{"path": "/n", "version": "vnext", "files": []}'""", "does not answer as node does"),
    ],
)
def test_why_there_is_no_node_is_told(only: Path, says: str | None, why: str) -> None:
    found = find(only, says)
    assert isinstance(found, str)
    assert why in found


def test_a_runtime_is_the_same_after_a_round_trip() -> None:
    assert read_runtime(PYTHON.as_json()) == PYTHON
    node = Runtime("javascript", "node v20.0.0", "/usr/bin/node", ("/lib/libc.so.6", "/usr/bin/node"))
    assert read_runtime(node.as_json()) == node
