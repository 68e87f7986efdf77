from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, StoreError
from synth_stack.review.argilla.address import find_server, read_key_file
from synth_stack.review.server.accounts import load_or_make_accounts
from synth_stack.review.server.local_server import ServerAddress, find_data
from synth_stack.runs.folder import LOCK

VARIABLES = {"ARGILLA_API_URL": "https://argilla.example.org", "ARGILLA_API_KEY": "key-of-the-team"}


def make_server(folder: Path, port: int) -> ServerAddress:
    """What a server that ran on the folder leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    accounts = load_or_make_accounts(folder)
    (folder / "address.json").write_text(f'{{"url": "http://127.0.0.1:{port}"}}')
    return ServerAddress(f"http://127.0.0.1:{port}", accounts.owner.api_key, "review")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / LOCK).touch()
    return folder


def test_a_named_server_comes_first_and_its_key_from_the_caller_or_the_variable(run: Path) -> None:
    make_server(find_data(run), 1)
    named = find_server(run, url="http://127.0.0.1:7", environment=VARIABLES)
    assert named == ServerAddress("http://127.0.0.1:7", "key-of-the-team", None)
    assert find_server(run, url="http://x", api_key="mine", environment=VARIABLES).api_key == "mine"


def test_a_named_folder_comes_before_the_servers_that_are_found(run: Path, tmp_path: Path) -> None:
    make_server(find_data(run), 1)
    other = make_server(tmp_path / "other", 2)
    assert find_server(run, server=tmp_path / "other", environment=VARIABLES) == other


def test_the_server_of_the_run_comes_before_the_variables_and_these_before_the_project(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = make_server(tmp_path / "review-server", 3)
    assert find_server(run, environment={}) == project
    assert find_server(run, environment=VARIABLES).url == "https://argilla.example.org"
    own = make_server(find_data(run), 1)
    assert find_server(run, environment=VARIABLES) == own


def test_without_any_server_and_without_a_key_it_is_said_how_to_get_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="review serve"):
        find_server(run, environment={})
    with pytest.raises(ConfigError, match="ARGILLA_API_KEY"):
        find_server(run, url="http://x", environment={})


def test_a_key_is_read_from_a_file_without_the_end_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("the-key\n")
    assert read_key_file(path) == "the-key"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="no key"):
        read_key_file(path)
    with pytest.raises(StoreError):
        read_key_file(tmp_path / "none")
