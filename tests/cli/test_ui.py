"""`synth-stack ui` prints the address of a page that answers, and ends when it is interrupted."""

import http.client
import signal
import subprocess
import sys
from pathlib import Path

from tests.review.toy_run import make_toy_run


def test_the_printed_address_answers_until_ctrl_c(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": 4})
    command = [sys.executable, "-m", "synth_stack.cli.main", "ui", str(run), "--key", str(tmp_path / "key")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address, token = process.stdout.readline().strip().split("/#token=")
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
        connection.request("GET", "/api/summary", headers={"Authorization": f"Bearer {token}"})
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said.splitlines() == ["9 rows; Ctrl+C ends the page", "ended"]


def test_a_folder_without_rows_is_one_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [
        sys.executable,
        "-m",
        "synth_stack.cli.main",
        "ui",
        str(empty),
        "--key",
        str(tmp_path / "key"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "holds no judged rows" in done.stderr
    assert "Traceback" not in done.stderr
