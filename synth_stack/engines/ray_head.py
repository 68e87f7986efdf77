"""A Ray of our own on this machine: started for one run, reached with its own token, gone when the run is.

No other Ray is touched: neither its address, nor its token in the home folder, nor its processes. `ray stop`
would end every Ray of this user, so it is never called: what is started here is ended by watcher.py. Nothing
of Ray is imported into this process, and none of its variables is set here.
"""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from synth_stack.errors import ConfigError
from synth_stack.host import start_apart
from synth_stack.watcher import watch

_ANSWER_S = 5.0
"""How long a port may take to answer."""
_STORE_BYTES = 100_000_000
"""Ray's object store: only descriptions of shards travel through it, and Ray takes no less than 75 MB."""
_FOLDER_CHARS = 40
"""The longest folder in which the names of Ray's sockets, 66 characters, stay below the 107 of a socket."""
_PORTS = ("port", "runtime-env-agent-port")
"""What is given a free port: by default some are the same for every Ray. The first is the head's."""
_LEFT_OUT = ("--include-dashboard=false", "--no-monitor", "--include-log-monitor=false")
"""What scales clusters, draws them and forwards logs: each takes seconds to start."""

_OWN: Mapping[str, str] = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else Ray takes the machine's address for 127.0.0.1
    "RAY_worker_register_timeout_seconds": "600",  # a busy machine: workers import packages for minutes
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_gcs_server_request_timeout_seconds": "600",
    "RAY_enable_metrics_collection": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",  # a process of its own for what would not be sent
    "RAY_worker_niceness": "0",  # Ray's own is 15: beside other work, tasks would get a thirtieth of a core
}
"""How Ray is set up by its environment: on this machine alone, and with time."""
_START = Path(__file__).with_name("ray_start.py")

_VARIABLES = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR")


def listens(address: str) -> bool:
    """Whether something answers at "host:port" or "ray://host:port". Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), _ANSWER_S):
        return True
    return False


class RayHead:
    """A head on this machine alone; `env` is the environment of a process that is to reach it."""

    def __init__(self, folder: Path, cpus: int, env: Mapping[str, str]) -> None:
        ports = _find_ports(len(_PORTS))
        self.address = f"127.0.0.1:{ports[0]}"
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(_write_token(folder))}
        clean = {name: value for name, value in env.items() if name not in _VARIABLES}
        started = {**clean, **_OWN, **own, "RAY_TMPDIR": str(folder)}
        self.env = {**started, "RAY_ADDRESS": self.address}
        self._log = folder / "head.log"
        command = [sys.executable, "-P", str(_START), "start", "--head", "--block"]
        command += [f"--{option}={port}" for option, port in zip(_PORTS, ports, strict=True)]
        command += [f"--num-cpus={cpus}", f"--object-store-memory={_STORE_BYTES}", f"--temp-dir={folder}"]
        command += ["--node-ip-address=127.0.0.1", "--disable-usage-stats", *_LEFT_OUT]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  (no shell, and no word of it from outside)
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=started, **start_apart()
            )

    def is_alive(self) -> bool:
        """Whether its process is there. It leads the session by which the watcher finds its daemons."""
        return self._process.poll() is None

    def find_last_words(self) -> str:
        """What it said last, or its exit code."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = (line.strip() for line in reversed(lines) if line.strip())
        return next(said, f"exit {self._process.returncode}")

    def wait(self) -> None:
        """Waits until the head, which was killed, has ended."""
        self._process.wait()


@contextlib.contextmanager
def open_head(cpus: int, env: Mapping[str, str], engine: str) -> Iterator[RayHead]:
    """A head with room for `cpus` worker processes, which have the environment of this process with `env`
    over it. Its start is not waited for. With the block end all its processes, and its folder, which the
    `engine` names, is removed.

    Raises ConfigError for a folder of temporary files with too long a name.
    """
    head = None
    try:
        with watch(engine) as den:
            if len(str(den.folder)) > _FOLDER_CHARS:
                raise ConfigError(
                    "the folder for temporary files has too long a name for the sockets of Ray",
                    seen=str(den.folder.parent),
                    mend="Set TMPDIR to a shorter one, /tmp for example.",
                )
            head = RayHead(den.folder, cpus, {**den.env, **env})
            yield head
    finally:
        if head is not None:
            head.wait()


def _write_token(folder: Path) -> Path:
    """A file with a new secret that this user alone can read."""
    token = folder / "token"
    with os.fdopen(os.open(token, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return token


def _find_ports(count: int) -> Sequence[int]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
