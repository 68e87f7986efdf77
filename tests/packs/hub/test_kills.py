"""A push and a pull that are killed at one request or another, before the server answers it, and run again."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from synth_stack.packs.hub.pull import pull_pack
from synth_stack.packs.hub.push import push_pack
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.runs.folder import list_files
from tests.kill_moments import pick_moments
from tests.packs.hub.hub_loopback import Handler, Hub, Repository

REPOSITORY = "curator/support-intents"
PUSHES = [
    ("PUT", "/large/", 4),
    ("POST", "/preupload/", 1),
    ("POST", "/commit/", 1),
    ("PUT", "/large/", 1),
    ("POST", "/tag/", 2),
    ("POST", "/tag/", 1),
]
PULLS = [
    ("GET", "/large/", 3),
    ("GET", "/tree/", 1),
    ("GET", "statement", 1),
    ("GET", "README", 1),
    ("GET", "/large/", 1),
    ("GET", "verify_pack", 1),
]


def kill_at(hub: Hub, moment: tuple[str, str, int], *arguments: str) -> None:
    """Run the command line, and kill it when the server gets a request for the so manieth time."""
    method, part, left = moment
    started = threading.Event()

    def meddle(handler: Handler) -> bool:
        nonlocal left
        left -= handler.command == method and part in handler.path
        if left:
            return False
        assert started.wait(60)
        process.send_signal(signal.SIGKILL)
        handler.close_connection = True
        return True

    hub.meddle = meddle
    code = "from synth_stack.cli.main import main; main()"
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment)
    started.set()
    assert process.wait(120) == -signal.SIGKILL
    hub.meddle = lambda handler: False


@pytest.mark.slow
@pytest.mark.parametrize("moment", pick_moments(PUSHES, 2))
def test_a_push_that_is_killed_and_repeated_gives_the_same_commit_and_tags(
    hub: Hub, batches: list[Path], moment: tuple[str, str, int]
) -> None:
    kill_at(hub, moment, "push", str(batches[0]), REPOSITORY)
    held = hub.repositories[REPOSITORY]
    assert held.files.keys() in [set(), {*list_files(batches[0])}]
    hub.requests.clear()
    arrived = set(hub.large)
    push_pack(batches[0], REPOSITORY)
    assert held.files == {name: (batches[0] / name).read_bytes() for name in list_files(batches[0])}
    assert len(held.commits) == 2
    assert held.tags == {f"root-{verify_pack(batches[0]).root}": held.head, "batch-0": held.head}
    sent = {request.rpartition("/")[2] for request in hub.requests if request.startswith("PUT")}
    assert not sent & arrived
    assert sent | arrived == set(hub.large)


@pytest.mark.slow
@pytest.mark.parametrize("moment", pick_moments(PULLS, 2))
def test_a_pull_that_is_killed_shows_no_pack_and_the_next_one_goes_on(
    hub: Hub, batches: list[Path], tmp_path: Path, moment: tuple[str, str, int]
) -> None:
    made = hub.repositories[REPOSITORY] = Repository(private=False)
    made.add({name: (batches[0] / name).read_bytes() for name in list_files(batches[0])})
    out = tmp_path / "there" / "copy"
    kill_at(hub, moment, "pull", REPOSITORY, "--out", str(out))
    assert not out.exists()
    pull_pack(REPOSITORY, out)
    verify_pack(out)
    assert [path.name for path in out.parent.iterdir()] == ["copy"]
