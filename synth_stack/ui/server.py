"""The page and its data over HTTP, on loopback alone and for whoever has the token of this process.

The token stands behind the # of the address, which browsers send to no server; the page sends it in a header
with each request. So no other page, and no other user of the machine, can read a row or judge one: a request
without it, or for another host name (DNS rebinding), gets a 403.
"""

import hmac
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import orjson

from synth_stack.errors import InputError, SynthStackError
from synth_stack.packs.layout import STATEMENT
from synth_stack.packs.trace import trace
from synth_stack.packs.verify.verify import verify_row
from synth_stack.report.html import read_asset
from synth_stack.text.page_policy import digest_source
from synth_stack.ui.judging import Desk
from synth_stack.ui.row_index import CHOICES, RowIndex, RowQuery, open_rows
from synth_stack.workflows.replace import PACK

HOST = "127.0.0.1"
MAX_BODY_BYTES = 64 * 1024
MAX_ADDRESS_CHARS = 8_192
IDLE_S = 30.0
"""A connection that says nothing for so long is closed."""
_ROW_ID = re.compile(r"[0-9a-f]{32}")
SHARED = ("text.js", "charts.js", "evidence.js", "detail.js", "rows.js")
"""How the report shows a row; this page shows it in the same way."""


class LocalPage(ThreadingHTTPServer):
    """One run or pack, served at `address`; rows are judged at the `desk`, or only shown where it is None."""

    daemon_threads = True

    def __init__(self, folder: Path, desk: Desk | None, port: int = 0) -> None:
        """Opens the folder and binds the port; 0 takes a free one.

        Raises what open_rows does, and InputError for a port that is taken.
        """
        self.folder, self.desk = folder, desk
        self.index: RowIndex = open_rows(folder)
        self.token = secrets.token_urlsafe(32)
        self.writing = threading.Lock()
        self.page, self.policy = render_page()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as exc:
            raise InputError(
                "the page cannot be served there", seen=f"port {port}", mend="Name another with --port."
            ) from exc

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing for a browser that went away in the middle; a fault of ours is shown as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Where the page is, with its token."""
        return f"http://{HOST}:{self.server_address[1]}/#token={self.token}"

    def read(self, path: str, asked: Mapping[str, str]) -> Any:
        """The answer to a GET of `path`; None where there is nothing there."""
        if path == "/api/summary":
            desk = None if self.desk is None else self.desk.describe()
            packed = (self._pack / STATEMENT).is_file()
            return {**self.index.summarise(), "desk": desk, "packed": packed}
        if path == "/api/rows":
            return self.index.find(parse_query(asked))
        match path.split("/"):
            case ["", "api", "rows", row_id] if _ROW_ID.fullmatch(row_id):
                return trace(self.folder, row_id).to_json()
            case ["", "api", "rows", row_id, "proof"] if _ROW_ID.fullmatch(row_id):
                return self._prove(row_id)
        return None

    @property
    def _pack(self) -> Path:
        """The pack that proves rows, where there is one."""
        return self.folder if self.index.where == "pack" else self.folder / PACK

    def _prove(self, row_id: str) -> Any:
        """What the signature of the pack proves of a row.

        Raises InputError for a run without one, VerificationError where the proof does not hold.
        """
        if not (self._pack / STATEMENT).is_file():
            raise InputError(
                "this run has no pack yet, and only a pack is signed",
                mend=f"Write it: synth-stack pack RUN --out {PACK}.",
            )
        return verify_row(self._pack, row_id).to_json()

    def write(self, path: str, body: Any) -> Any:
        """The answer to a POST; None where nothing can be written. One at a time."""
        if self.desk is None:
            return None
        with self.writing:
            if path == "/api/judgements":
                return self.desk.judge(body)
            if path == "/api/plan":
                return self.desk.plan_held()
            if path == "/api/decide":
                done = self.desk.decide()
                self.index = open_rows(self.folder)
                return done
        return None


def parse_query(asked: Mapping[str, str]) -> RowQuery:
    """The query that the parameters of an address say. Raises InputError for one that says none."""
    known = {*CHOICES, "q", "score_gate", "low", "high", "sort", "offset", "limit"}
    if set(asked) - known:
        raise InputError(
            "a query has no such part", seen=min(set(asked) - known), allowed=", ".join(sorted(known))
        )
    try:
        return RowQuery(
            choices={name: asked[name] for name in CHOICES if asked.get(name)},
            needle=asked.get("q", "").strip(),
            gate=asked.get("score_gate") or None,
            low=float(asked["low"]) if asked.get("low") else None,
            high=float(asked["high"]) if asked.get("high") else None,
            by_score=asked.get("sort") == "score",
            offset=int(asked.get("offset", "0")),
            limit=int(asked.get("limit", "50")),
        )
    except ValueError as exc:
        raise InputError("a bound, an offset and a limit are numbers") from exc


def render_page() -> tuple[bytes, str]:
    """The page and the policy that it is served under, which lets no script run but its own."""
    own = files("synth_stack.ui")
    script = "\n".join([*map(read_asset, SHARED), own.joinpath("ui.js").read_text("utf-8")])
    style = "\n".join([read_asset("report.css"), own.joinpath("ui.css").read_text("utf-8")])
    page = Template(own.joinpath("ui.html").read_text("utf-8")).substitute(style=style, script=script)
    policy = (
        f"default-src 'none'; script-src '{digest_source(script)}'; style-src '{digest_source(style)}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return page.encode(), policy


class _Handler(BaseHTTPRequestHandler):
    """One connection. Nothing of a request is logged: addresses hold what was searched for."""

    server: LocalPage
    timeout = IDLE_S
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "synth_stack", ""
    HEADERS: ClassVar[Mapping[str, str]] = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    def do_GET(self) -> None:
        """The page, or data."""
        parts = urlsplit(self.path)
        if parts.path == "/" and self._is_ours():
            self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
            return
        asked = dict(parse_qsl(parts.query))
        self._answer(lambda: self.server.read(parts.path, asked))

    def do_POST(self) -> None:
        """A judgement, a plan, or answers put into effect."""
        self._answer(lambda: self.server.write(urlsplit(self.path).path, self._read_body()))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's name)
        """Nothing."""

    def _answer(self, work: Callable[[], Any]) -> None:
        if not self._is_ours() or not self._has_token():
            self.close_connection = True
            self._send_json(HTTPStatus.FORBIDDEN, {"error": "The token of this page is missing or another."})
            return
        try:
            found = work()
        except SynthStackError as exc:
            self._send_json(HTTPStatus.BAD_REQUEST, {"error": str(exc)})
            return
        missing = {"error": "There is nothing at this address."}
        self._send_json(HTTPStatus.NOT_FOUND if found is None else HTTPStatus.OK, found or missing)

    def _is_ours(self) -> bool:
        """Whether the request is for this server by its number: a name may be somebody else's."""
        port = self.server.server_address[1]
        return self.headers.get("Host") in {f"{HOST}:{port}", f"localhost:{port}"}

    def _has_token(self) -> bool:
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode("latin-1", "replace"), f"Bearer {self.server.token}".encode())

    def _read_body(self) -> Any:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= MAX_BODY_BYTES:
            self.close_connection = True
            raise InputError("an answer has a length", allowed=f"{MAX_BODY_BYTES} bytes")
        try:
            return orjson.loads(self.rfile.read(size) or b"{}")
        except orjson.JSONDecodeError as exc:
            raise InputError("that is not JSON") from exc

    def _send_json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, orjson.dumps(value), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            for name, value in (*self.HEADERS.items(), ("Content-Security-Policy", self.server.policy)):
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
