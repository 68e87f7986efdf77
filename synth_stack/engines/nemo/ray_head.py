"""A Ray of our own on this machine: started for one run, reached with its own token, gone when the run is.

No other Ray is touched: neither its address, nor its token in the home folder, nor its processes. `ray stop`
would end every Ray of this user, so it is never called: what is started here is ended by watcher.py.
"""

import contextlib
import functools
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from synth_stack.engines.watcher import watch
from synth_stack.errors import ConfigError, GateError
from synth_stack.host import start_apart

START_WITHIN_S = 120.0
"""A head takes 4 to 7 seconds on two idle cores; this is for a machine that is busy."""

_ATTEMPTS = 3
"""Between finding a free port and binding it another program may take it."""
_ANSWER_S = 5.0
"""How long a port may take to answer."""
_STORE_BYTES = 100_000_000
"""Ray's object store: only descriptions of shards travel through it, and Ray takes no less than 75 MB."""
_FOLDER_CHARS = 40
"""The longest folder in which the names of Ray's sockets, 66 characters, stay below the 107 of a socket."""
_PORTS = (
    "port",
    "ray-client-server-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
)
"""What is given a free port: by default some are the same for every Ray. The first is the head's."""

_VARIABLES = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR")


@contextlib.contextmanager
def open_head(cpus: int, env: Mapping[str, str]) -> Iterator[str]:
    """The address of a Ray with room for `cpus` worker processes, to which this process is connected.

    Workers have the environment of this process with `env` over it. The variables by which Ray finds a
    cluster are this one's as long as the block lasts, and then what they were. Raises GateError with Ray's
    last words where it cannot start, ConfigError for a folder of temporary files with too long a name.
    """
    failure = ""
    for _ in range(_ATTEMPTS):
        with _head(cpus, env) as head:
            try:
                head.connect()
            except GateError as exc:
                failure = str(exc.seen)
                continue
            yield head.address
            return
    raise GateError("Ray cannot start on this machine", seen=failure, mend="Choose another engine.")


def listens(address: str) -> bool:
    """Whether something answers at "host:port". Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), _ANSWER_S):
        return True
    return False


class _Head:
    """A head in a folder, its address, and the connection of this process to it."""

    def __init__(self, folder: Path, cpus: int, env: Mapping[str, str]) -> None:
        ports = _find_ports(len(_PORTS))
        self.address = f"127.0.0.1:{ports[0]}"
        self._log = folder / "head.log"
        command = [str(Path(sysconfig.get_path("scripts")) / "ray"), "start", "--head", "--block"]
        command += [f"--{option}={port}" for option, port in zip(_PORTS, ports, strict=True)]
        command += [f"--num-cpus={cpus}", f"--object-store-memory={_STORE_BYTES}", f"--temp-dir={folder}"]
        command += ["--include-dashboard=false", "--disable-usage-stats"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  (no shell, and no word of it from outside)
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, **start_apart()
            )

    def connect(self) -> None:
        """Connects this process. Raises GateError with Ray's last words where that is not done in time."""
        import ray

        until = time.monotonic() + START_WITHIN_S
        while self._process.poll() is None:
            if not listens(self.address) and time.monotonic() < until:
                time.sleep(0.1)
                continue
            try:
                ray.init(self.address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
            except (ConnectionError, RuntimeError) as exc:
                if time.monotonic() > until:
                    raise GateError("Ray cannot be reached", seen=str(exc)) from exc
                time.sleep(0.3)
            else:
                os.environ["RAY_ADDRESS"] = self.address
                return
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = next((line for line in reversed(lines) if line.strip()), f"exit {self._process.returncode}")
        raise GateError("Ray did not start", seen=said)

    def wait(self) -> None:
        """Waits until the head, which was killed, has ended."""
        self._process.wait()

    def end(self) -> None:
        """Disconnects. The head lives on: it leads the session by which the watcher finds its daemons."""
        import ray

        ray.shutdown()


@contextlib.contextmanager
def _head(cpus: int, env: Mapping[str, str]) -> Iterator[_Head]:
    with contextlib.ExitStack() as stack, watch("nemo") as den:
        if len(str(den.folder)) > _FOLDER_CHARS:
            raise ConfigError(
                "the folder for temporary files has too long a name for the sockets of Ray",
                seen=str(den.folder.parent),
                mend="Set TMPDIR to a shorter one, /tmp for example.",
            )
        token = _write_token(den.folder)
        with _variables(token, den.folder) as own:
            clean = {name: value for name, value in den.env.items() if name not in _VARIABLES}
            head = _Head(den.folder, cpus, {**clean, **env, **own})
            stack.callback(head.wait)
            try:
                yield head
            finally:
                head.end()


@contextlib.contextmanager
def _variables(token: Path, folder: Path) -> Iterator[Mapping[str, str]]:
    """Ray's own variables set for a cluster with this token, as long as the block lasts."""
    before = {name: os.environ.pop(name, None) for name in _VARIABLES}
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_TMPDIR": str(folder)}
    os.environ.update(own)
    _read_variables_again()
    try:
        yield own
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _read_variables_again() -> None:
    """Ray reads them when it is imported and keeps the first token; one that is imported reads them again."""
    if "ray" in sys.modules:
        from ray._raylet import AuthenticationTokenLoader, Config

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


@functools.cache
def _draw_token() -> str:
    """The secret of every head that this process starts: threads of Ray that outlive one may still use it."""
    return secrets.token_hex(32)


def _write_token(folder: Path) -> Path:
    """A file with the secret that this user alone can read."""
    token = folder / "token"
    with os.fdopen(os.open(token, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(_draw_token())
    return token


def _find_ports(count: int) -> Sequence[int]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
