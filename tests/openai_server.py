"""A real OpenAI-compatible server on a loopback port, which behaves as a test tells it to.

Each request to a completion path takes the next behaviour of the script; behind its end the server answers.
An answer is a pure function of the request (prompt, seed, sampling), so two runs can be compared.
"""

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "loopback-1"
HANG_S = 30.0
"""The longest that a hanging answer holds its thread, should a test forget to stop the server."""


@dataclass(frozen=True)
class Reply:
    """What goes over the wire: `truncate` sends half of the body that Content-Length promises, `hang` nothing
    at all, `trickle` a byte now and then."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    truncate: bool = False
    hang: bool = False
    trickle: bool = False


Behaviour = Callable[[dict[str, Any], bool], Reply]
"""From the JSON that was asked, and whether it was a raw completion, to the reply."""


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class OpenAIServer:
    """A running server: where it is, what it was asked, and what it will do next."""

    def __init__(self, models: Iterable[str] | None, script: Iterable[Behaviour], always: Behaviour) -> None:
        self.models = None if models is None else list(models)
        self.always = always
        self.asked: list[Asked] = []
        self.listed: list[Asked] = []
        self.list_status = 200
        self.list_body: bytes | None = None
        self.stopping = threading.Event()
        self._script = iter(list(script))
        self._turn = threading.Lock()
        self.base_url = ""
        self.most_at_once = 0
        self._at_once = 0

    @contextmanager
    def take_turn(self, asked: Asked) -> Iterator[Behaviour]:
        """The next of the script, once; what was asked is kept in the order of arrival."""
        with self._turn:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            behaviour = next(self._script, self.always)
        try:
            yield behaviour
        finally:
            with self._turn:
                self._at_once -= 1

    def bodies(self) -> list[dict[str, Any]]:
        """The JSON of every completion request so far."""
        with self._turn:
            return [asked.body for asked in self.asked]


def write_text(body: Mapping[str, Any]) -> str:
    """One sentence that depends on everything that was asked and on nothing else."""
    name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return f"The order {name[:8]} was {('lost', 'late', 'wrong', 'broken')[int(name[8], 16) % 4]} again."


def answer(body: dict[str, Any], raw: bool) -> Reply:
    """A whole completion."""
    return complete(write_text(body))(body, raw)


def complete(text: Any, *, finish_reason: str = "stop", usage: Any = None) -> Behaviour:
    """A completion with this text, whatever was asked."""

    def reply(body: dict[str, Any], raw: bool) -> Reply:
        said = {"text": text} if raw else {"message": {"role": "assistant", "content": text}}
        counted = {"prompt_tokens": 11, "completion_tokens": 7} if usage is None else usage
        choice = {"index": 0, "finish_reason": finish_reason, **said}
        return Reply(body=json.dumps({"model": MODEL, "choices": [choice], "usage": counted}).encode())

    return reply


def send(
    body: bytes = b"", *, status: int = 200, truncate: bool = False, hang: bool = False, trickle: bool = False
) -> Behaviour:
    """These very bytes."""
    return lambda _body, _raw: Reply(status, body, truncate=truncate, hang=hang, trickle=trickle)


def fail(status: int, **headers: str) -> Behaviour:
    """An error status without a word; `retry_after="1"` becomes a Retry-After header."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _body, _raw: Reply(status, b'{"error": {}}', fields)


def refuse(status: int, sentence: str) -> Behaviour:
    """An error status with OpenAI's error body."""
    body = json.dumps({"error": {"message": sentence, "type": "invalid_request_error"}}).encode()
    return lambda _body, _raw: Reply(status, body)


@contextmanager
def serve(
    *behaviours: Behaviour, models: Iterable[str] | None = (MODEL,), always: Behaviour = answer
) -> Iterator[OpenAIServer]:
    """A server on 127.0.0.1 until the block ends; `models=None` is a server without a list of models."""
    state = OpenAIServer(models, behaviours, always)
    server = _Loopback(state)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        state.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def find_closed_url() -> str:
    """A base URL on a loopback port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


class _Loopback(ThreadingHTTPServer):
    def __init__(self, state: OpenAIServer) -> None:
        self.state = state
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Loopback
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for its headers to be acknowledged

    def do_GET(self) -> None:
        state = self.server.state
        state.listed.append(Asked(self.path, self._lowered(), {}))
        if state.models is None or self.path != "/v1/models":
            self._send(Reply(404))
            return
        listed = json.dumps({"object": "list", "data": [{"id": name} for name in state.models]})
        self._send(Reply(state.list_status, listed.encode() if state.list_body is None else state.list_body))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        raw = self.path == "/v1/completions"
        if not raw and self.path != "/v1/chat/completions":
            self._send(Reply(404))
            return
        with self.server.state.take_turn(Asked(self.path, self._lowered(), body)) as behave:
            reply = behave(body, raw)
        self._send(reply)

    def _lowered(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _send(self, reply: Reply) -> None:
        if reply.hang:
            self.server.state.stopping.wait(HANG_S)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.trickle:
            self._trickle(reply.body)
        else:
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.truncate else reply.body)
        self.close_connection = self.close_connection or reply.truncate or reply.trickle

    def _trickle(self, body: bytes) -> None:
        for byte in body:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:  # the client has had enough
                return
            if self.server.state.stopping.wait(0.05):
                return

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""
