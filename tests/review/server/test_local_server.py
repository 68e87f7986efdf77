import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from synth_stack.errors import ConfigError, StoreError
from synth_stack.review.server.accounts import load_or_make_accounts
from synth_stack.review.server.local_server import (
    LocalServer,
    find_data,
    is_loopback,
    read_address,
    run_server,
)
from synth_stack.runs.folder import LOCK, list_files
from tests.argilla_server import Person, need_environment, start_server, wait_for

REAL = [pytest.mark.review, pytest.mark.slow]


def test_a_run_keeps_its_server_out_of_its_manifest(tmp_path: Path) -> None:
    assert find_data(tmp_path) == tmp_path
    (tmp_path / LOCK).touch()
    data = find_data(tmp_path)
    data.mkdir(parents=True)
    (data / "accounts.json").touch()
    assert data.is_relative_to(tmp_path)
    assert list_files(tmp_path) == [LOCK]


@pytest.mark.parametrize(
    ("host", "is_so"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("argilla.example.org", False), ("", False)],
)  # fmt: skip
def test_what_only_this_machine_reaches_is_loopback(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1.*--port"),
            run_server(tmp_path / "data", port=port),
        ):
            pass
    assert not (tmp_path / "data").exists()


def test_a_host_that_is_not_here_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot listen"), run_server(tmp_path, host="192.0.2.1", port=0):
        pass


def test_a_folder_without_a_server_has_no_address(tmp_path: Path) -> None:
    assert read_address(tmp_path) is None
    load_or_make_accounts(tmp_path)
    assert read_address(tmp_path) is None
    (tmp_path / "address.json").write_text("[]")
    with pytest.raises(StoreError, match="address"):
        read_address(tmp_path)


def list_modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o077 for path in folder.iterdir() if path.name != ".lock"}


class TestReal:
    pytestmark = REAL

    def test_stop_and_start_again_loses_nothing(self, tmp_path: Path) -> None:
        folder = tmp_path / "server"
        with start_server(folder) as first:
            owner = Person(first, "owner")
            workspace = owner.ask("GET", "/me/workspaces")["items"][0]["id"]
            owner.ask("POST", "/datasets", {"name": "kept", "workspace_id": workspace})
            assert [each.username for each in first.new] == ["owner", "ann", "ben", "cleo"]
            with pytest.raises(StoreError, match="runs on"), run_server(folder, port=0):
                pass
        assert first.process.poll() is not None
        assert (folder.stat().st_mode & 0o777, list_modes(folder)) == (0o700, {0})
        told: list[str] = []
        with start_server(folder, tell=told.append) as second:
            assert second.new == ()
            assert told == ["starting the Argilla server"]
            names = [each["name"] for each in Person(second, "owner").ask("GET", "/me/datasets")["items"]]
            assert names == ["kept"]
            assert read_address(folder) == second.address
        log = (folder / "server.log").read_text()
        assert not any(each.password in log or each.api_key in log for each in first.accounts.accounts)

    def test_its_pages_load_nothing_from_elsewhere_and_its_api_is_for_them_alone(
        self, argilla: LocalServer
    ) -> None:
        page = httpx.get(argilla.url, trust_env=False, headers={"origin": "http://evil.example"})
        policy = page.headers["content-security-policy"]
        assert page.is_success
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "access-control-allow-origin" not in page.headers

    def test_whatever_ends_the_command_ends_its_server(self, tmp_path: Path) -> None:
        need_environment()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
        started = [
            start_command(tmp_path / number.name) for number in numbers
        ]  # side by side: each takes 10 s
        for number, process in zip(numbers, started, strict=True):
            assert process.stdout is not None
            name, url = process.stdout.readline().decode().split()
            assert name == "address"
            assert answers(url)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
            if number != signal.SIGKILL:
                assert process.returncode == 0
                assert errors.decode().splitlines()[-1] == "stopped; all answers are kept"
            wait_for(lambda url=url: not answers(url), 30)


def start_command(folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "synth_stack.cli.main", "review", "serve", str(folder), "--port", "0"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), start_new_session=True
    )


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/version", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False
