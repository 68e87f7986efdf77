"""The process that talks to Ray in the place of this one, asked over pipes (ray_connection.py answers).

Ray ends whatever process has been without its head for a minute, with `std::_Exit(1)` in its GCS client: no
exception, no cleaning up, and where output is captured no word. A head that cannot start on a busy machine is
enough. It may end that process, and what it said is an error of ours here.
"""

import contextlib
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import orjson

from synth_stack.engines.ray_head import open_head
from synth_stack.engines.tasks import Answer
from synth_stack.errors import GateError, SynthStackError

START_WITHIN_S = 600.0
"""For heads to start and be reached: 10 seconds on two idle cores, and 67 where each core has nine other
processes."""
_REACHED_WITHIN_S = 300.0
"""For a cluster that listens: Ray itself waits for a node for 60 seconds, and its import takes as long where
each core has fifty other processes."""
_LOOK_S = 0.2
_GRACE_S = 5.0
"""How long it has to leave a cluster of the user's before it is killed."""


class RayDriver:
    """A process that is connected to the Ray at an address, or about to be; `env` is its environment.

    It imports the module `runner`, whose `run(asked, hear)` does what it is asked, once it is asked.
    """

    def __init__(self, address: str, runner: str, env: Mapping[str, str]) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self._process = subprocess.Popen(  # noqa: S603  (modules of ours, and an address that is no option)
            [sys.executable, "-m", "synth_stack.engines.ray_connection", address, runner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=env,
        )

    def wait_until_connected(self, may_wait: Callable[[], bool]) -> None:
        """Returns once it is. Raises GateError where Ray refuses it, it ends, or no more `may_wait`."""
        answers = self._process.stdout
        assert answers is not None
        while not select.select([answers], [], [], _LOOK_S)[0]:
            if not may_wait():
                raise GateError("Ray cannot be reached", seen="it does not answer")
        said = self._hear() or {"refused": self._find_last_words()}
        if "refused" in said:
            raise GateError("Ray cannot be reached", seen=said["refused"])

    def ask(self, asked: Mapping[str, Any], gate: str, hear: Callable[[Answer], None]) -> None:
        """One run of the runner for a gate; `hear` has each answer, up to the first at which it raises.

        Raises that, GateError where Ray lost its workers or itself.
        """
        failure = None
        with contextlib.suppress(OSError):  # one that is dead is found out when it is heard
            assert self._process.stdin is not None
            self._process.stdin.write(orjson.dumps(asked) + b"\n")
            self._process.stdin.flush()
        while (said := self._hear()) is None or "done" not in said:
            if said is None or "lost" in said:
                raise GateError(
                    f"gate {gate}: Ray has lost its workers",
                    seen=said["lost"] if said else self._find_last_words(),
                    mend="Run the same command again: it goes on at the shards that are not judged.",
                )
            try:
                hear(said["answer"])
            except SynthStackError as exc:
                failure = exc  # the runner ends there too, and says so
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Lets it leave Ray, and ends it."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what is unread cannot be flushed to the dead
                assert pipe is not None
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def _hear(self) -> Any:
        """What it says next; None once it is dead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return orjson.loads(line) if line.endswith(b"\n") else None

    def _find_last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), f"exit {code}")


@contextlib.contextmanager
def connect_to(address: str, runner: str, env: Mapping[str, str]) -> Iterator[RayDriver]:
    """A driver on the cluster at an address ("host:port", "auto"). Raises GateError where it cannot be
    reached.
    """
    until = time.monotonic() + _REACHED_WITHIN_S
    with contextlib.closing(RayDriver(address, runner, env)) as driver:
        driver.wait_until_connected(lambda: time.monotonic() < until)
        yield driver


@contextlib.contextmanager
def start_ray(cpus: int, runner: str, env: Mapping[str, str], engine: str) -> Iterator[RayDriver]:
    """A driver on a Ray of its own with `cpus` worker processes (ray_head.py). A head that does not come up
    in time, as on a busy machine, is followed by another.

    Raises GateError with Ray's last words where none has come up after START_WITHIN_S.
    """
    until, failure = time.monotonic() + START_WITHIN_S, ""
    while time.monotonic() < until:
        with (
            open_head(cpus, env, engine) as head,
            contextlib.closing(RayDriver(head.address, runner, head.env)) as driver,
        ):
            try:
                driver.wait_until_connected(lambda: head.is_alive() and time.monotonic() < until)
            except GateError as exc:
                failure = str(exc.seen) if head.is_alive() else head.find_last_words()
                continue
            yield driver
            return
    raise GateError(
        "Ray cannot start on this machine",
        seen=failure,
        mend="Free some of its cores, or choose another engine.",
    )
