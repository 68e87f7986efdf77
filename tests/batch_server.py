"""A real server of the batch API on a loopback port, strict in paths, fields and order; it counts what it bills.

Each batch is worked off when it is looked at, unless `released` is not set. An answer is that of
tests/openai_server.py.
"""

import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.openai_server import MODEL, answer

Row = dict[str, Any]
KEY = "sk-batch-0123456789"
CREATED = {"input_file_id", "endpoint", "completion_window", "metadata"}
PAGE = 2
"""Small pages, whatever was asked for."""


class BatchServer:
    """The files and batches of a server. `billed` counts how often a request was answered, by its name.

    What goes wrong is said before: `expire_first` requests of the next batch, `broken` and `refused` ones, a
    batch that fails with a sentence or is cancelled, the answer to the next POST of a batch that is lost.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: list[Row] = []
        self.billed: Counter[str] = Counter()
        self.released = threading.Event()
        self.released.set()
        self.expire_first = self.break_first = self.refuse_first = 0
        self.fail_with: str | None = None
        self.cancels = self.loses_answer = self.has_no_batches = False
        self.wrong: list[str] = []
        self.base_url = ""
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def add_file(self, data: bytes) -> Row:
        with self._lock:
            name = self._name_file()
            self.files[name] = data
        return {"id": name, "object": "file", "bytes": len(data), "purpose": "batch"}

    def add_batch(self, said: Row) -> Row:
        """A new batch; what its fields and lines have that they must not goes into `wrong`."""
        lines = [json.loads(line) for line in self.files[said["input_file_id"]].splitlines()]
        names = [line["custom_id"] for line in lines]
        faults = {
            "fields": set(said) == CREATED and said["completion_window"] == "24h",
            "metadata": all(isinstance(v, str) and len(v) <= 512 for v in said["metadata"].values()),
            "names": len(set(names)) == len(names) and all(len(name) <= 64 for name in names),
            "lines": all(set(line) == {"custom_id", "method", "url", "body"} for line in lines),
            "paths": all((line["method"], line["url"]) == ("POST", said["endpoint"]) for line in lines),
        }
        with self._lock:
            self.wrong += [name for name, holds in faults.items() if not holds]
            batch = {"id": f"batch_{len(self.batches)}", "object": "batch", "status": "validating", **said}
            self.batches.append(batch)
        return batch

    def show(self, name: str) -> Row | None:
        """A batch, worked off by now where it may be."""
        batch = next((each for each in self.batches if each["id"] == name), None)
        if batch is not None and self.released.is_set():
            with self._lock:
                if batch["status"] in {"validating", "in_progress"}:
                    self._work(batch)
        return batch

    def _work(self, batch: Row) -> None:
        if self.fail_with:
            batch.update(status="failed", errors={"data": [{"code": "x", "message": self.fail_with}]})
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        told: list[Row] = []
        errors: list[Row] = []
        expired, self.expire_first = self.expire_first, 0
        for number, line in enumerate(lines):
            name = line["custom_id"]
            if number < expired or self.cancels:
                error = {
                    "code": "batch_cancelled" if self.cancels else "batch_expired",
                    "message": "too late",
                }
                errors.append({"id": "x", "custom_id": name, "response": None, "error": error})
            elif self.break_first:
                self.break_first -= 1
                errors.append(_tell(name, 500, {"error": {"message": "a machine fell over"}}))
            elif self.refuse_first:
                self.refuse_first -= 1
                errors.append(_tell(name, 400, {"error": {"message": "it is too long for the model"}}))
            else:
                self.billed[name] += 1
                reply = answer(line["body"], batch["endpoint"] == "/v1/completions")
                told.append(_tell(name, reply.status, json.loads(reply.body)))
        batch["status"] = "cancelled" if self.cancels else "expired" if expired else "completed"
        for key, rows in (("output_file_id", told[::-1]), ("error_file_id", errors)):
            file = self._name_file()
            self.files[file] = "".join(json.dumps(row) + "\n" for row in rows).encode()
            batch[key] = file if rows else None

    def _name_file(self) -> str:
        return f"file-{next(self._numbers)}"

    def list_page(self, asked: dict[str, list[str]]) -> Row:
        """A page of the batches, the newest first."""
        if not set(asked) <= {"limit", "after"}:
            self.wrong.append(f"query {sorted(asked)}")
        newest = self.batches[::-1]
        first = next((k + 1 for k, b in enumerate(newest) if [b["id"]] == asked.get("after")), 0)
        page = newest[first : first + PAGE]
        return {"object": "list", "data": page, "has_more": first + PAGE < len(newest)}


def _tell(name: str, status: int, body: Row) -> Row:
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": name, "response": response, "error": None}


@contextmanager
def serve_batches() -> Iterator[BatchServer]:
    """A server that runs as long as the block."""
    state = BatchServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Bound", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: BatchServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        at, state = urlsplit(self.path), self.state
        if self._is_stranger():
            return
        if at.path == "/v1/models":
            self._say(200, {"data": [{"id": MODEL}]})
        elif at.path == "/v1/batches" and not state.has_no_batches:
            self._say(200, state.list_page(parse_qs(at.query)))
        elif found := re.fullmatch(r"/v1/batches/(\w+)", at.path):
            batch = state.show(found[1])
            self._say(200, batch) if batch else self._refuse(404, "no such batch")
        elif (found := re.fullmatch(r"/v1/files/([\w-]+)/content", at.path)) and found[1] in state.files:
            self._say(200, state.files[found[1]])
        else:
            self._refuse(404, f"no path {at.path}")

    def do_POST(self) -> None:
        data, state = self.rfile.read(int(self.headers["Content-Length"])), self.state
        if self._is_stranger():
            return
        if self.path == "/v1/files":
            head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
            form = BytesParser().parsebytes(head + data)
            parts = {
                part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
                for part in form.walk()
                if not part.is_multipart()
            }
            if set(parts) != {"file", "purpose"} or parts["purpose"] != b"batch":
                state.wrong.append(f"form {sorted(map(str, parts))}")
            file = parts["file"]
            assert isinstance(file, bytes)
            self._say(200, state.add_file(file))
        elif self.path == "/v1/batches":
            batch = state.add_batch(json.loads(data))
            lost, state.loses_answer = state.loses_answer, False
            if lost:
                self.close_connection = True
            else:
                self._say(200, batch)
        else:
            self._refuse(404, f"no path {self.path}")

    def _is_stranger(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {KEY}":
            return False
        self._say(401, {"error": {"message": "no such key"}})
        return True

    def _refuse(self, status: int, why: str) -> None:
        self.state.wrong.append(why)
        self._say(status, {"error": {"message": why}})

    def _say(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""
