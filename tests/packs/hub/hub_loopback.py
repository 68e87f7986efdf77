"""A dataset hub on the loopback: the requests of the Hugging Face Hub that its client makes to upload and
download a dataset, as huggingface_hub 2.4 sends them.

A repository is made by POST /api/repos/create, with a first commit that holds .gitattributes, as on the Hub.
Each commit is a new state of all files; a commit that names a parent which is no longer the newest is a 412.
Large files (Parquet, gzip, tiles) go by Git LFS: batch, PUT, and a redirect when they are read. Lists come in
pages of 5 with a Link header. A private repository is a 401 for whoever has no token. Nothing is written to
the disk.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_loopback"
LARGE = (".parquet", ".gz", ".bin")
PAGE_FILES = 5


@dataclass
class Repository:
    """The commits of a repository, oldest first, by id the files; and its tags."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        """What the newest commit holds, but .gitattributes."""
        return {name: data for name, data in self.commits[self.head].items() if name != ".gitattributes"}

    def add(self, files: dict[str, bytes]) -> str:
        """A commit of these files alone."""
        told = json.dumps(
            [len(self.commits), sorted((n, hashlib.sha1(d).hexdigest()) for n, d in files.items())]
        )
        commit = hashlib.sha1(told.encode()).hexdigest()
        self.commits[commit] = files
        return commit

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, tag or id names."""
        if revision == "main":
            return self.head
        return revision if revision in self.commits else self.tags.get(revision)


@dataclass
class Hub:
    """What the server holds. `meddle` is shown every request first, and may answer it itself."""

    endpoint: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    refuses_tags: bool = False
    meddle: Callable[["Handler"], bool] = lambda handler: False
    requests: list[str] = field(default_factory=list)


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
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed."""


class Handler(BaseHTTPRequestHandler):
    """Answers one client, request by request."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.requests.append(f"POST {self.path}")
        path = urlsplit(self.path).path
        if self.hub.meddle(self):
            return
        if path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif not self.knows_token():
            self.answer({"error": "Invalid credentials"}, status=401)
        elif path == "/api/repos/create":
            self.create(json.loads(self.body))
        elif match := re.fullmatch(r"/datasets/(.+)\.git/info/lfs/objects/batch", path):
            self.plan_large(json.loads(self.body)["objects"])
        elif match := re.fullmatch(r"/api/datasets/(.+)/(preupload|commit)/main", path):
            found = self.find(match[1])
            if found is not None:
                (self.preupload if match[2] == "preupload" else self.commit)(match[1], found)
        elif match := re.fullmatch(r"/api/datasets/(.+)/tag/([^/]+)", path):
            self.tag(match[1], match[2], json.loads(self.body)["tag"])
        else:
            self.answer({"error": "no such request"}, status=404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.requests.append(f"PUT {self.path}")
        if self.hub.meddle(self):
            return
        oid = self.path.removeprefix("/large/")
        sound = hashlib.sha256(body).hexdigest() == oid
        if sound:
            self.hub.large[oid] = body
        self.answer({}, status=200 if sound else 400)

    def do_GET(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        path = unquote(urlsplit(self.path).path)
        if self.hub.meddle(self):
            return
        if path.startswith("/large/"):  # a signed address: whoever knows it may read
            commit = parse_qs(urlsplit(self.path).query).get("commit", [""])[0]
            oid = path.removeprefix("/large/")
            self.send_bytes(self.hub.large[oid], {"X-Repo-Commit": commit, "ETag": f'"{oid}"'})
        elif match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.send_file(match[1], match[2], match[3])
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/(revision|tree)/([^/]+)(?:/(.+))?", path):
            self.describe(match[1], match[2], match[3], match[4] or "")
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)", path):
            self.describe(match[1], "revision", "main")
        else:
            self.answer({"error": "no such request"}, status=404)

    do_HEAD = do_GET  # noqa: N815  (the name that http.server looks for)

    def knows_token(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def find(self, name: str) -> Repository | None:
        """The repository, if it is there and this client may see it; else it is answered."""
        found = self.hub.repositories.get(name)
        if found is None or (found.private and not self.knows_token()):
            self.answer({"error": "Repository not found"}, 401 if found else 404, "RepoNotFound")
            return None
        return found

    def create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        url = f"{self.hub.endpoint}/datasets/{name}"
        if name in self.hub.repositories:
            self.answer({"error": "You already created this dataset repo", "url": url}, status=409)
            return
        made = self.hub.repositories[name] = Repository(wanted.get("visibility") == "private")
        made.add({".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"})
        self.answer({"url": url, "name": name})

    def preupload(self, name: str, found: Repository) -> None:
        held = found.commits[found.head]
        ignored = held.get(".gitignore", b"").decode().split()
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": any(file["path"].startswith(rule) for rule in ignored),
                "oid": find_oid(file["path"], held[file["path"]]) if file["path"] in held else None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self.answer({"files": files})

    def plan_large(self, objects: list[dict[str, Any]]) -> None:
        """What of the large files has still to be sent, and where."""
        planned = []
        for wanted in objects:
            href = f"{self.hub.endpoint}/large/{wanted['oid']}"
            actions = {} if wanted["oid"] in self.hub.large else {"actions": {"upload": {"href": href}}}
            planned.append({"oid": wanted["oid"], "size": wanted["size"], **actions})
        self.answer({"objects": planned, "transfer": "basic"})

    def commit(self, name: str, found: Repository) -> None:
        files = dict(found.commits[found.head])
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "header" and value.get("parentCommit", found.head) != found.head:
                self.answer({"error": "The expected parent is no longer the head"}, status=412)
                return
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = found.add(files)
        url = f"{self.hub.endpoint}/datasets/{name}/commit/{commit}"
        self.answer({"success": True, "commitOid": commit, "commitUrl": url})

    def tag(self, name: str, revision: str, tag: str) -> None:
        found = self.find(name)
        if found is None:
            return
        if self.hub.refuses_tags:
            self.answer({"error": "try later"}, status=403)
        elif tag in found.tags:
            self.answer({"error": "Tag reference exists already"}, status=409)
        else:
            found.tags[tag] = revision
            self.answer({"success": True})

    def describe(self, name: str, what: str, revision: str, under: str = "") -> None:
        found = self.find(name)
        if found is None:
            return
        commit = found.resolve(revision)
        if commit is None:
            self.answer({"error": f"Invalid rev id: {revision}"}, 404, "RevisionNotFound")
            return
        files = sorted(found.commits[commit].items())
        if what == "revision":
            siblings = [{"rfilename": path} for path, _ in files]
            self.answer({"id": name, "sha": commit, "private": found.private, "siblings": siblings})
            return
        asked = parse_qs(urlsplit(self.path).query)
        if asked.get("recursive") == ["false"]:
            self.list_folder(files, under)
            return
        start = int(asked.get("cursor", ["0"])[0])
        following = (
            f"{self.hub.endpoint}{urlsplit(self.path).path}?recursive=true&cursor={start + PAGE_FILES}"
        )
        link = {"Link": f'<{following}>; rel="next"'} if start + PAGE_FILES < len(files) else {}
        self.answer([list_entry(*file) for file in files[start : start + PAGE_FILES]], extra=link)

    def list_folder(self, files: list[tuple[str, bytes]], under: str) -> None:
        """What lies in a folder itself; the folders in it by name."""
        prefix = f"{under}/" if under else ""
        inside = [(path, data) for path, data in files if path.startswith(prefix)]
        if under and not inside:
            self.answer({"error": "Entry not found"}, 404, "EntryNotFound")
            return
        folders = sorted(
            {path[len(prefix) :].split("/")[0] for path, _ in inside if "/" in path[len(prefix) :]}
        )
        listed = [{"type": "directory", "path": prefix + name, "oid": find_blob(b"")} for name in folders]
        here = [list_entry(path, data) for path, data in inside if "/" not in path[len(prefix) :]]
        self.answer([*listed, *here])

    def send_file(self, name: str, revision: str, path: str) -> None:
        found = self.find(name)
        if found is None:
            return
        commit = found.resolve(revision)
        data = found.commits.get(commit or "", {}).get(path)
        if commit is None or data is None:
            self.answer({"error": "Entry not found"}, 404, "EntryNotFound")
            return
        named = {"ETag": f'"{find_oid(path, data)}"', "X-Repo-Commit": commit}
        if not path.endswith(LARGE):
            self.send_bytes(data, named)
            return
        oid = hashlib.sha256(data).hexdigest()
        self.hub.large[oid] = data
        self.send_response(302)
        for key, value in {**named, "X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(data))}.items():
            self.send_header(key, value)
        # the Hub sends its readers to another host, and its client then does not look for the commit there
        self.send_header("Location", f"{self.hub.endpoint}/large/{oid}?commit={commit}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_bytes(self, data: bytes, headers: dict[str, str]) -> None:
        """A body, or the part of it that is asked for."""
        start = int((re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        self.send_response(206 if start else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start:])

    def answer(
        self, value: Any, status: int = 200, code: str | None = None, extra: dict[str, str] | None = None
    ) -> None:
        """An answer in JSON, with the Hub's code of an error."""
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for key, text in {**(extra or {}), **({"X-Error-Code": code} if code else {})}.items():
            self.send_header(key, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of http.server)
        """Say nothing: the tests look at what the hub holds."""


def list_entry(path: str, data: bytes) -> dict[str, Any]:
    """A file as the Hub lists it."""
    entry = {"type": "file", "path": path, "size": len(data), "oid": find_blob(data)}
    if path.endswith(LARGE):
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return entry


def find_blob(data: bytes) -> str:
    """Git's id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def find_oid(path: str, data: bytes) -> str:
    """The id by which the Hub knows whether a file is the same."""
    return hashlib.sha256(data).hexdigest() if path.endswith(LARGE) else find_blob(data)
