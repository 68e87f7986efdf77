"""The files and batches of one server over HTTP: retried, bounded, and read as what they should be."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson

from synth_stack.errors import ConfigError
from synth_stack.teachers.endpoints import Endpoint
from synth_stack.teachers.openai_replies import Trouble, read_status
from synth_stack.teachers.rate_limit import Pace
from synth_stack.teachers.server_check import ask_server

MAX_FILE_BYTES = 1024**3
"""A longer file is not read: OpenAI takes files of requests of 200 MB, and answers are rarely longer."""
MAX_LINE_BYTES = 16 * 1024**2
"""One answer of a million tokens takes about 5 MB."""
MAX_PAGES = 1_000
PAGE = 100
"""Batches a page: the most that OpenAI lists at a time."""

_GONE = frozenset({404, 410})


class BatchTrouble(Exception):
    """Why a file or a batch could not be had, for good; `missing`: the server has it no more."""

    def __init__(self, trouble: Trouble, *, missing: bool = False) -> None:
        self.trouble = trouble
        self.missing = missing
        super().__init__(trouble.what)


class BatchFiles:
    """The paths /files and /batches of a server. To be used in one event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._pace = Pace()
        self._client = httpx.AsyncClient(
            headers=endpoint.headers(), timeout=endpoint.timeout_s, trust_env=endpoint.trust_env
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def upload(self, lines: bytes) -> str:
        """The id of a new file of requests. Raises BatchTrouble."""
        files = {"file": ("requests.jsonl", lines, "application/jsonl")}
        return read_id(await self._insist("POST", "files", files=files, data={"purpose": "batch"}))

    async def create(self, said: Mapping[str, Any]) -> str:
        """The id of a new batch of `said`.

        One whose answer was lost on its way is looked for before it is asked for again: a second batch of the
        same file would be paid for too. Raises BatchTrouble.
        """
        attempt = 0
        while isinstance(made := await self._try("POST", "batches", json=dict(said)), Trouble):
            attempt = await self._wait(made, attempt)
            async for batch in self.list_batches():
                if batch.get("input_file_id") == said["input_file_id"]:
                    return read_id(batch)
        return read_id(made)

    async def look(self, batch: str) -> dict[str, Any]:
        """What a batch has come to. Raises BatchTrouble."""
        return await self._insist("GET", f"batches/{batch}")

    async def list_batches(self) -> AsyncIterator[dict[str, Any]]:
        """Every batch of the server, the newest first. Raises BatchTrouble."""
        after = ""
        for _ in range(MAX_PAGES):
            page = await self._insist("GET", f"batches?limit={PAGE}{after}")
            listed = page.get("data")
            if not isinstance(listed, list):
                raise BatchTrouble(Trouble("lists no batches", "fatal", mistake=True))
            for batch in listed:
                yield batch if isinstance(batch, dict) else {}
            if not listed or page.get("has_more") is not True:
                return
            after = f"&after={read_id(listed[-1])}"

    async def read_lines(self, file: str) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of a file, line by line. Raises BatchTrouble; one that is gone is `missing`."""
        attempt = 0
        while True:
            try:
                async for line in self._stream(file):
                    yield line
                return
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                what = str(exc) or type(exc).__name__
                trouble = Trouble(f"breaks the connection in a file ({what})", "unreachable")
            except BatchTrouble as exc:
                if exc.missing:
                    raise
                trouble = exc.trouble
            # lines come again after a break; whoever takes them keeps them by their names
            attempt = await self._wait(trouble, attempt)

    async def _stream(self, file: str) -> AsyncIterator[dict[str, Any]]:
        endpoint = self.endpoint
        url, length, rest = endpoint.url(f"files/{file}/content"), 0, b""
        async with self._client.stream("GET", url, extensions=endpoint.extensions()) as response:
            if not response.is_success:
                await response.aread()
                trouble = read_status(response, endpoint.api_key) or Trouble("sends no file")
                raise BatchTrouble(trouble, missing=response.status_code in _GONE)
            async for piece in response.aiter_bytes():
                length += len(piece)
                *lines, rest = (rest + piece).split(b"\n")
                if length > MAX_FILE_BYTES or len(rest) > MAX_LINE_BYTES:
                    raise BatchTrouble(Trouble("sends a file that is too large", "fatal"))
                for line in lines:
                    if line.strip():
                        yield _read_line(line)
        if rest.strip():
            yield _read_line(rest)

    async def _insist(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        attempt = 0
        while isinstance(answer := await self._try(method, path, **sent), Trouble):
            attempt = await self._wait(answer, attempt)
        return answer

    async def _wait(self, trouble: Trouble, attempt: int) -> int:
        """The number of the next try, after a pause. Raises BatchTrouble where there is none."""
        if trouble.kind in {"fatal", "refusal"}:
            raise BatchTrouble(trouble)
        if attempt == self.endpoint.retries:
            raise BatchTrouble(trouble._replace(kind="fatal"))
        await asyncio.sleep(max(trouble.retry_after_s, self._pace.backoff(attempt + 1)))
        return attempt + 1

    async def _try(self, method: str, path: str, **sent: Any) -> dict[str, Any] | Trouble:
        endpoint = self.endpoint
        try:
            response = await self._client.request(
                method, endpoint.url(path), extensions=endpoint.extensions(), **sent
            )
        except httpx.ConnectError as exc:
            return Trouble(f"cannot be reached ({exc})", "unreachable")
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return Trouble(f"breaks the connection ({type(exc).__name__})")
        if (trouble := read_status(response, endpoint.api_key)) is not None:
            return trouble
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            answer = None
        return answer if isinstance(answer, dict) else Trouble("answers what is no JSON object")


def read_id(said: Any) -> str:
    """The id of a file or batch, fit to stand in a path. Raises BatchTrouble."""
    found = said.get("id") if isinstance(said, dict) else None
    return check_id(found)


_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")


def check_id(found: Any) -> str:
    """An id of a server's, fit to stand in a path. Raises BatchTrouble."""
    if isinstance(found, str) and _ID.fullmatch(found):
        return found
    raise BatchTrouble(Trouble("gives no id that could be asked for", "fatal"))


def check_batches(endpoint: Endpoint) -> None:
    """Ask a server for its batches. Raises ConfigError for one that has no batch API, TeacherError for none
    that answers.
    """
    response = ask_server(endpoint, "batches?limit=1")
    if not response.is_success:
        trouble = read_status(response, endpoint.api_key)
        raise ConfigError(
            f"the teacher at {endpoint.base_url} lists no batches",
            seen=trouble.what if trouble else f"HTTP {response.status_code}",
            mend="Use teacher http, which asks for one answer at a time.",
        )


def _read_line(line: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise BatchTrouble(Trouble("sends a file that is not JSON Lines", "fatal")) from exc
    if not isinstance(said, dict):
        raise BatchTrouble(Trouble("sends a file that is not JSON Lines", "fatal"))
    return said
