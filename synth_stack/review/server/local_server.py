"""The process of a local Argilla server: started in its own environment, watched, ended with its parent.

    accounts.json    who may log in (accounts.py)
    address.json     where the server listens, or listened last
    argilla.db       its database, with all answers
    server.log       what it said since its last start
    .lock            held while a server runs on the folder

The folder has mode 0700 and its files 0600. A server that is stopped and started again loses nothing.
"""

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx
import orjson

from synth_stack.errors import ConfigError, StoreError, WorkError, replace_unprintable
from synth_stack.files import store_errors, write_bytes
from synth_stack.host import kill_group, lock_file, start_apart
from synth_stack.review.server.accounts import Account, Accounts, load_or_make_accounts, read_accounts
from synth_stack.review.server.environment import ensure_environment
from synth_stack.runs.folder import LOCK, remove_folder

ADDRESS = "address.json"
LOG = "server.log"
LOOPBACK = "127.0.0.1"
PORT = 6900
"""Argilla's own default."""
START_TIMEOUT_S = 180
"""A first start makes the database: 12 s on two idle cores, and more where others work."""
STOP_TIMEOUT_S = 15
"""The server gives open requests 5 s."""

_LAUNCH = Path(__file__).parent / "inside" / "launch.py"
_IN_RUN = "review/.server"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server answers, a key for it, and the workspace if that is known."""

    url: str
    api_key: str
    workspace: str | None


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running server: `new` are the accounts whose passwords nobody has seen yet."""

    folder: Path
    url: str
    accounts: Accounts
    process: "subprocess.Popen[bytes]"

    @property
    def new(self) -> tuple[Account, ...]:
        """The accounts that were made by this start."""
        return self.accounts.new

    @property
    def address(self) -> ServerAddress:
        """What a campaign needs to reach it."""
        return ServerAddress(self.url, self.accounts.owner.api_key, self.accounts.workspace)

    def wait(self) -> None:
        """Returns when the process has ended. Raises WorkError when it did so by itself."""
        code = self.process.wait()
        if code not in {0, -signal.SIGTERM, -signal.SIGINT}:
            raise WorkError("the server ended by itself", seen=_describe_end(self.folder, code))


def find_data(folder: str | Path) -> Path:
    """Where the server of a folder keeps its data: within a run it is hidden from manifest and pack."""
    path = Path(folder)
    return path / _IN_RUN if (path / LOCK).is_file() else path


def read_address(folder: str | Path) -> ServerAddress | None:
    """Where the server of a folder answers; None where none has run. Raises StoreError, ConfigError."""
    data = find_data(folder)
    accounts = read_accounts(data)
    path = data / ADDRESS
    if accounts is None or not path.exists():
        return None
    try:
        with store_errors(path):
            url = str(orjson.loads(path.read_bytes()[:10_000])["url"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise StoreError(f"{path} does not hold an address") from exc
    return ServerAddress(url, accounts.owner.api_key, accounts.workspace)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def run_server(
    folder: str | Path,
    *,
    host: str = LOOPBACK,
    port: int = PORT,
    annotators: Sequence[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[LocalServer]:
    """A server on the data in `folder` that answers; with the block it ends, and so do its children.

    Port 0 is any free one. SIGTERM ends the block as Ctrl-C does. `tell` gets a line of progress for what
    takes its time. Raises ConfigError for a port that is taken and a name that cannot be; StoreError for a
    folder that another server uses; WorkError for a server that does not come up; and what
    `ensure_environment` raises.
    """
    data = find_data(folder).resolve()
    chosen = _claim_port(host, port)
    with store_errors(data):
        data.mkdir(parents=True, exist_ok=True)
        data.chmod(0o700)
    with _alone(data), _stop_on_sigterm():
        python = ensure_environment(tell)
        accounts = load_or_make_accounts(data, annotators)
        tell("starting the Argilla server")
        process = _start(python, data, accounts, host, chosen)
        try:
            url = f"http://{f'[{host}]' if ':' in host else host}:{chosen}"
            _await_ready(process, data, accounts, host, chosen)
            write_bytes(data / ADDRESS, orjson.dumps({"url": url}) + b"\n", mode=0o600)
            yield LocalServer(data, url, accounts, process)
        finally:
            _stop(process)


def _claim_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises ConfigError where it is taken, or the host is no one's here."""
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise ConfigError(
            f"the server cannot listen on port {port} of {host}: {reason}",
            mend="Stop what listens there, or choose another port with --port.",
        ) from exc


def _start(python: Path, data: Path, accounts: Accounts, host: str, port: int) -> "subprocess.Popen[bytes]":
    temporary = data / "tmp"  # Argilla copies its pages there at every start and leaves them
    remove_folder(temporary)
    with store_errors(data):
        temporary.mkdir(mode=0o700)
        log = os.open(data / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            process = subprocess.Popen(  # noqa: S603  (our launcher)
                [str(python), "-I", str(_LAUNCH)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=data,
                env=_build_environment(data, accounts),
                **start_apart(),  # Ctrl-C is for this process, which ends that one in order
            )
        finally:
            os.close(log)
    settings = {
        "workspace": accounts.workspace,
        "host": host,
        "port": port,
        "accounts": [
            {"username": a.username, "role": a.role, "password": a.password, "api_key": a.api_key}
            for a in accounts.accounts
        ],
    }
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # one that died at once is found out when it is awaited
        process.stdin.write(orjson.dumps(settings) + b"\n")
        process.stdin.flush()
    return process


def _build_environment(data: Path, accounts: Accounts) -> dict[str, str]:
    """The variables of the server, and none of the user's own settings of another Argilla."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "TMPDIR": str(data / "tmp"),
        "ARGILLA_HOME_PATH": str(data),
        "ARGILLA_DATABASE_URL": f"sqlite+aiosqlite:///{data / 'argilla.db'}?check_same_thread=False",
        "ARGILLA_DATABASE_SQLITE_TIMEOUT": "30",  # s; 5, the default, is short for two writers on a slow disk
        "ARGILLA_SEARCH_ENGINE": "database",
        "ARGILLA_CORS_ORIGINS": "[]",  # its own pages need no other, and the default lets in any
        "ARGILLA_AUTH_SECRET_KEY": accounts.signing_key,
        "ARGILLA_AUTH_OAUTH_CFG": str(data / "oauth.yaml"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _await_ready(
    process: "subprocess.Popen[bytes]", data: Path, accounts: Accounts, host: str, port: int
) -> None:
    """Returns when the server knows its owner. Raises WorkError."""
    reached = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104
    url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}/api/v1/me"
    deadline = time.monotonic() + START_TIMEOUT_S
    headers = {"X-Argilla-Api-Key": accounts.owner.api_key}
    with httpx.Client(trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if client.get(url, headers=headers).status_code == httpx.codes.OK:
                    return
            time.sleep(0.2)
    code = process.poll()
    if code is None:
        raise WorkError(f"the server does not answer after {START_TIMEOUT_S} s", mend=f"See {data / LOG}.")
    raise WorkError("the server did not start", seen=_describe_end(data, code), mend=f"See {data / LOG}.")


def _describe_end(data: Path, code: int) -> str:
    with contextlib.suppress(OSError):
        lines = (data / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return f"exit {code}: {replace_unprintable(lines[-1])}"
    return f"exit {code}"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the process and whatever it started: asked first, then killed."""
    group = process.pid  # it leads its own session
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_group(group)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


@contextlib.contextmanager
def _stop_on_sigterm() -> Iterator[None]:
    """SIGTERM is KeyboardInterrupt within the block, where this is the main thread."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # another thread: its owner decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    with store_errors(data):
        file = (data / ".lock").open("ab")
    with file:
        try:
            lock_file(file, wait=False)
        except BlockingIOError as exc:
            raise StoreError(
                f"a server runs on {data} already",
                mend="Use that one, stop it, or keep this one's data in another folder.",
            ) from exc
        except OSError as exc:
            raise StoreError(f"{data} cannot be locked: {exc.strerror}") from exc
        yield
