"""Asks an Argilla server over its REST API (v1): what it answers is checked, bounded, and never trusted.

Not through Argilla's own SDK: that drops the id and the time of an answer, by which an edited one is told
from a new one, takes seconds to import, and draws bars on standard error. Requests that change nothing when
they are repeated are repeated while the server is away for a moment. Redirects are not followed, for the key
would go with them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from synth_stack.errors import ConfigError, ServerError, replace_unprintable
from synth_stack.review.server.local_server import is_loopback

PAGE_RECORDS = 500
"""Records read at a time; the server gives 1,000 at most."""
MAX_ANSWER_BYTES = 256 * 1024**2
"""Of one answer of the server: 500 records of half a megabyte."""
_TIMEOUT_S = 120
"""For one request: a server on SQLite takes 500 records in ten seconds where it has a core to itself."""
_RETRIES = 4
_FIRST_PAUSE_S = 0.5
_AWAY = frozenset({429, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_API = "/api/v1"

Text = Annotated[str, Field(max_length=4 * 1024**2)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class ServerUser(_Answer):
    """Somebody who may log in."""

    id: UUID
    username: Text
    role: Literal["owner", "admin", "annotator"]


class ServerWorkspace(_Answer):
    """A workspace by its name."""

    id: UUID
    name: Text


class ServerDataset(_Answer):
    """A dataset: `draft` until it is published; records are sent to a `ready` one."""

    id: UUID
    name: Text
    workspace_id: UUID
    status: Literal["draft", "ready"]
    metadata: dict[str, Any] | None = None


class ServerPart(_Answer):
    """A field, question, metadata property or kind of vector of a dataset."""

    id: UUID
    name: Text
    settings: dict[str, Any] = {}
    dimensions: int | None = None


class ServerAnswer(_Answer):
    """What one person said of a record: `values` by question."""

    id: UUID
    user_id: UUID
    status: Literal["draft", "submitted", "discarded"]
    values: dict[str, dict[str, Any]] | None = None
    updated_at: datetime


class ServerRecord(_Answer):
    """A record with its answers."""

    id: UUID
    external_id: Text | None = None
    fields: dict[str, Any] = {}
    metadata: dict[str, Any] | None = None
    responses: list[ServerAnswer] | None = None


class _Items(_Answer):
    items: list[Any]


class _Records(_Answer):
    items: list[ServerRecord]
    total: int


_Model = TypeVar("_Model", bound=BaseModel)


class ArgillaClient:
    """A session with a server under one key; close it, or use it as a context."""

    def __init__(self, url: str, api_key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        """`url` is the address of the server, `api_key` that of an owner or an admin of the workspace.

        Raises ConfigError for an address or a key that cannot be one. Sends nothing.
        """
        self.url = _check_url(url)
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise ConfigError("the key of the Argilla server is empty, or holds characters that no key has")
        local = is_loopback(self.url.host)
        self.is_open = self.url.scheme == "http" and not local
        """Whether the key and the rows travel unencrypted."""
        self._http = httpx.Client(
            headers={"X-Argilla-Api-Key": api_key},
            timeout=_TIMEOUT_S,
            trust_env=not local,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        self._http.close()

    def read_me(self) -> ServerUser:
        """Whose key it is. Raises ConfigError where no Argilla answers, or not to this key."""
        data = self._send("GET", "/me")
        try:
            return ServerUser.model_validate_json(data)
        except ValidationError as exc:  # a page of something else, as a rule
            raise self._no_argilla("another answer") from exc

    def read_workspace(self, name: str | None) -> ServerWorkspace:
        """The workspace of that name; without one, the only one that there is. Raises ConfigError."""
        found = self._list("/me/workspaces", ServerWorkspace)
        named = [each for each in found if name is None or each.name == name]
        if len(named) == 1:
            return named[0]
        raise ConfigError(
            "the workspace cannot be told" if name is None else "there is no such workspace on the server",
            seen=name,
            allowed=", ".join(each.name for each in found) or "none is there for this key",
            mend="Name it with --workspace.",
        )

    def read_users(self, workspace: ServerWorkspace) -> dict[UUID, str]:
        """The names of those who may answer in a workspace, by id; owners answer in all."""
        members = self._list(f"/workspaces/{workspace.id}/users", ServerUser)
        if self.read_me().role == "owner":  # nobody else may list all
            members += self._list("/users", ServerUser)
        return {user.id: user.username for user in members}

    def find_dataset(self, workspace: ServerWorkspace, name: str) -> ServerDataset | None:
        """The dataset of that name, None where there is none."""
        found = self._list("/me/datasets", ServerDataset, {"workspace_id": str(workspace.id)})
        return next((each for each in found if each.name == name), None)

    def create_dataset(self, workspace: ServerWorkspace, settings: Mapping[str, Any]) -> ServerDataset:
        """A new draft."""
        body = {**settings, "workspace_id": str(workspace.id)}
        return self._ask("POST", "/datasets", ServerDataset, body)

    def list_parts(self, dataset: ServerDataset, kind: str) -> list[ServerPart]:
        """Its `fields`, `questions`, `metadata-properties` or `vectors-settings`, in order."""
        owner = "/me" if kind == "metadata-properties" else ""
        return self._list(f"{owner}/datasets/{dataset.id}/{kind}", ServerPart)

    def create_part(self, dataset: ServerDataset, kind: str, settings: Mapping[str, Any]) -> None:
        """One more of them."""
        self._ask("POST", f"/datasets/{dataset.id}/{kind}", ServerPart, settings)

    def publish(self, dataset: ServerDataset) -> ServerDataset:
        """The draft, ready for records."""
        return self._ask("PUT", f"/datasets/{dataset.id}/publish", ServerDataset)

    def upsert_records(self, dataset: ServerDataset, records: Sequence[Mapping[str, Any]]) -> None:
        """Add records, or replace those of the same external id; all of them or none."""
        self._send("PUT", f"/datasets/{dataset.id}/records/bulk", {"items": list(records)})

    def read_records(self, dataset: ServerDataset, *, answers: bool) -> list[ServerRecord]:
        """Every record, with its answers where they are asked for.

        A record that is deleted while pages are read moves later ones to earlier pages, and one is missed: so
        pages are read again until the server's count stayed the same; after three times, all that were seen.
        """
        seen: dict[UUID, ServerRecord] = {}
        for _ in range(3):
            pages = list(self._read_pages(dataset, answers=answers))
            found = {record.id: record for page in pages for record in page.items}
            if {page.total for page in pages} == {len(found)}:
                return list(found.values())
            seen |= found
        return list(seen.values())

    def _read_pages(self, dataset: ServerDataset, *, answers: bool) -> Iterator[_Records]:
        offset = 0
        include = {"include": "responses"} if answers else {}
        while True:
            page = self._ask(
                "GET",
                f"/datasets/{dataset.id}/records",
                _Records,
                query={"offset": str(offset), "limit": str(PAGE_RECORDS), **include},
            )
            yield page
            offset += len(page.items)
            if not page.items or offset >= page.total:
                return

    def _list(self, path: str, kind: type[_Model], query: Mapping[str, str] | None = None) -> list[_Model]:
        items = _check(self._send("GET", path, query=query), TypeAdapter(_Items)).items
        return [_check_python(item, kind) for item in items]

    def _ask(
        self,
        method: str,
        path: str,
        kind: type[_Model],
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> _Model:
        return _check(self._send(method, path, body, query), TypeAdapter(kind))

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of the answer. Raises ConfigError and ServerError."""
        content = None if body is None else orjson.dumps(body)
        pause_s = _FIRST_PAUSE_S
        for attempt in range(_RETRIES + 1):
            last = attempt == _RETRIES or method not in _REPEATABLE
            try:
                status, data = self._send_once(method, path, content, query)
            except httpx.TransportError as exc:
                if last:
                    raise self._unreachable(exc) from exc
            else:
                if status not in _AWAY or last:
                    self._require_success(status, data)
                    return data
            time.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")

    def _send_once(
        self, method: str, path: str, content: bytes | None, query: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        address = f"{str(self.url).rstrip('/')}{_API}{path}"
        headers = {"Content-Type": "application/json"} if content is not None else {}
        with self._http.stream(method, address, content=content, params=query, headers=headers) as response:
            parts, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise ServerError(
                        "an answer of the Argilla server is too large",
                        allowed=f"at most {MAX_ANSWER_BYTES} bytes",
                    )
                parts.append(part)
            return response.status_code, b"".join(parts)

    def _unreachable(self, exc: httpx.TransportError) -> ServerError:
        return ServerError(
            f"the Argilla server at {self.url} cannot be reached: {exc or type(exc).__name__}",
            mend="Start it (`synth-stack review serve`), or check its address; "
            "then run the same command again: it goes on where it stopped.",
        )

    def _no_argilla(self, seen: str) -> ConfigError:
        return ConfigError(f"no Argilla 2 answers at {self.url}", seen=seen, mend="Check the address.")

    def _require_success(self, status: int, data: bytes) -> None:
        if status < 300:
            return
        said = _read_detail(data)
        if status == httpx.codes.UNAUTHORIZED:
            raise ConfigError(
                f"the Argilla server at {self.url} does not know this key",
                mend="Take that of an owner or admin: it stands under My settings in the web page.",
            )
        if status == httpx.codes.FORBIDDEN:
            raise ConfigError(
                f"the Argilla server at {self.url} does not let this key do that",
                seen=said,
                mend="Take the key of an owner, or of an admin of the workspace.",
            )
        if status in {301, 302, 307, 308, 404, 405} and not said:
            raise self._no_argilla(f"status {status}")
        raise ServerError(f"the Argilla server refused a request with status {status}", seen=said)


def _check_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.strip().rstrip("/"))
    except (httpx.InvalidURL, TypeError) as exc:
        raise ConfigError("the address of the Argilla server is none", seen=url) from exc
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo or parsed.query:
        raise ConfigError(
            "the address of the Argilla server is none",
            seen=f"{parsed.scheme}://{parsed.host}",
            allowed="http:// or https:// and a host, without a password or a query",
        )
    return parsed


def _check(data: bytes, adapter: "TypeAdapter[_Model]") -> _Model:
    try:
        return adapter.validate_json(data)
    except ValidationError as exc:
        raise _unreadable(exc) from exc


def _check_python(value: Any, kind: type[_Model]) -> _Model:
    try:
        return kind.model_validate(value)
    except ValidationError as exc:
        raise _unreadable(exc) from exc


def _unreadable(exc: ValidationError) -> ServerError:
    first = exc.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return ServerError(
        "the Argilla server answered what this program cannot read",
        seen=f"{where or 'the answer'}: {first['msg']}",
        mend="Check that it is Argilla 2.8 or newer.",
    )


def _read_detail(data: bytes) -> str | None:
    """What a server says of a request that it refused; None where Argilla did not say it."""
    try:
        value = orjson.loads(data[:100_000])
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict) or "detail" not in value:
        return None
    detail = value["detail"]
    text = detail if isinstance(detail, str) else orjson.dumps(detail).decode()
    return replace_unprintable(text)[:500]
