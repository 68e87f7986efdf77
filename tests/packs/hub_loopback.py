"""A dataset hub on the loopback: the few requests of the Hugging Face Hub that upload and download a folder.

Every file is taken inline with the commit ("regular"); nothing is written to the disk. A repository is
made by POST /api/repos/create, as on the Hub, and a commit to one that is not there is a 404.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_loopback"
COMMIT = "c" * 40


@dataclass
class Hub:
    """What the server holds: files and tags by repository, and who may write."""

    endpoint: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    refuses_tags: bool = False


@contextmanager
def run_hub() -> Iterator[Hub]:
    """A hub that runs until the block ends."""
    hub = Hub()
    server = _Server(hub)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """A server that knows its hub."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid credentials"}, status=401)
        elif self.path == "/api/repos/create":
            self.create(json.loads(body))
        elif match := re.fullmatch(r"/api/datasets/(.+)/(preupload|commit)/main", self.path):
            self.upload(match[1], match[2], body)
        elif match := re.fullmatch(r"/api/datasets/(.+)/tag/([^/]+)", self.path):
            self.tag(match[1], match[2], json.loads(body)["tag"])
        else:
            self.answer({"error": "no such request"}, status=404)

    def do_GET(self) -> None:
        path = unquote(self.path.split("?")[0])
        if match := re.fullmatch(r"/datasets/(.+?)/resolve/[^/]+/(.+)", path):
            self.send_file(match[1], match[2])
        elif match := re.fullmatch(r"/api/datasets/(.+?)/(revision|tree)/[^/]+", path):
            self.describe(match[1], match[2])
        else:
            self.answer({"error": "no such request"}, status=404)

    do_HEAD = do_GET  # noqa: N815  (the name that http.server looks for)

    def create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        self.hub.repositories.setdefault(name, {})
        self.hub.private[name] = wanted.get("visibility") == "private"
        self.answer({"url": f"{self.hub.endpoint}/datasets/{name}", "name": name})

    def upload(self, name: str, step: str, body: bytes) -> None:
        if name not in self.hub.repositories:
            self.answer({"error": "Repository not found"}, status=404)
            return
        if step == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for file in json.loads(body)["files"]
            ]
            self.answer({"files": files})
            return
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.hub.repositories[name][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del self.hub.repositories[name][value["path"]]
        url = f"{self.hub.endpoint}/datasets/{name}/commit/{COMMIT}"
        self.answer({"success": True, "commitOid": COMMIT, "commitUrl": url})

    def tag(self, name: str, revision: str, tag: str) -> None:
        held = self.hub.tags.setdefault(name, {})
        if self.hub.refuses_tags:
            self.answer({"error": "try later"}, status=403)
        elif tag in held:
            self.answer({"error": "Tag reference exists already"}, status=409)
        else:
            held[tag] = revision
            self.answer({"success": True})

    def describe(self, name: str, what: str) -> None:
        files = self.hub.repositories.get(name, {})
        if what == "tree":
            self.answer(
                [
                    {
                        "type": "file",
                        "path": path,
                        "size": len(data),
                        "oid": hashlib.sha1(data).hexdigest(),
                    }
                    for path, data in sorted(files.items())
                ]
            )
            return
        siblings = [{"rfilename": path} for path in sorted(files)]
        self.answer({"id": name, "sha": COMMIT, "private": self.hub.private[name], "siblings": siblings})

    def send_file(self, name: str, path: str) -> None:
        data = self.hub.repositories.get(name, {}).get(path)
        if data is None:
            self.answer({"error": "Entry not found"}, status=404)
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def answer(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of http.server)
        """Say nothing: the tests look at what the hub holds."""
