import subprocess
import sys
import threading
from pathlib import Path

import pytest

from synth_stack.errors import SandboxError
from synth_stack.sandbox.room import Room
from synth_stack.sandbox.run_many import run_many
from synth_stack.sandbox.runtimes import PYTHON, Runtime


def test_many_pairs_come_back_in_their_order() -> None:
    pairs = [
        (f"import time\ntime.sleep({0.02 * (k % 3)})\nx = {k}", f"assert x == {k % 7}") for k in range(14)
    ]
    outcomes = run_many(pairs, workers=3)

    assert [outcome.status for outcome in outcomes] == ["passed"] * 7 + ["failed"] * 7
    assert run_many([]) == []


def test_rooms_are_kept_for_the_next_pairs_of_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Room] = []
    build = Room.__init__

    def count(room: Room, level: str | None = None, runtime: Runtime = PYTHON) -> None:
        built.append(room)
        build(room, level, runtime)

    monkeypatch.setattr(Room, "__init__", count)
    pairs = [("x = 1", "assert x == 1")] * 2

    def call() -> None:
        for _ in range(3):
            assert [outcome.status for outcome in run_many(pairs, workers=2)] == ["passed"] * 2

    thread = threading.Thread(target=call)  # a thread of its own has kept none
    thread.start()
    thread.join()

    assert len(built) == 2


def test_a_room_that_was_ended_is_built_anew() -> None:
    ended = """
import os, signal
from synth_stack.sandbox import run_many as module
pairs = [("x = 1", "assert x == 1")]
module.run_many(pairs, workers=1)
(room,) = module._kept.rooms["python"]
room._process.kill()
room._process.wait()
print([outcome.status for outcome in module.run_many(pairs, workers=1)])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ended], capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == ("['passed']", "")


def test_after_an_interrupt_no_room_is_kept_that_still_owes_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_many([("x = 1", "assert x == 1")], workers=1)

    def interrupted(room: Room, *sources: str, **options: object) -> None:
        raise SandboxError("the sandbox did not answer")

    with monkeypatch.context() as patch:
        patch.setattr(Room, "run", interrupted)
        with pytest.raises(SandboxError):
            run_many([("x = 2", "assert x == 2")], workers=1)

    assert run_many([("x = 3", "assert x == 3")], workers=1)[0].status == "passed"


def test_a_process_that_was_forked_builds_its_own_rooms() -> None:
    forked = """
import os
from synth_stack.sandbox.run_many import run_many
from synth_stack.sandbox.runtimes import PYTHON, Runtime
pair = lambda k: [(f"x = {k}", f"assert x == {k}")] * 20
run_many(pair(0))
child = os.fork()
outcomes = {outcome.status for outcome in run_many(pair(1 if child else 2))}
if not child:
    os._exit(0 if outcomes == {"passed"} else 1)
print(outcomes, os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", forked], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "{'passed'} 0", done.stderr


def test_nothing_of_kept_rooms_outlives_the_process() -> None:
    kept = """
import os
from synth_stack.sandbox import run_many as module
module.run_many([("x = 1", "assert x == 1")], workers=1)
print(module._kept.rooms["python"][0]._process.pid)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", kept], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert not Path("/proc", done.stdout.strip()).exists()
