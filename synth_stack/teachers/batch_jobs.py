"""Batches of requests from the upload to the answers, each request paid for once.

A request is named after what it asks. The batches of ours that a server has already are looked through for it
first: what a killed run had asked is waited for or taken, and what an ended batch left open is asked again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from synth_stack.teachers.batch_files import BatchFiles, BatchTrouble, check_id, read_id
from synth_stack.teachers.endpoints import Endpoint
from synth_stack.teachers.openai_replies import Trouble, read_answer, read_status
from synth_stack.teachers.prompt import Answer
from synth_stack.teachers.server_words import clean_sentence

MADE_BY = "synth_stack"
MAX_UPLOAD_BYTES = 100 * 1024**2
"""Half of what OpenAI takes in one file."""
MAX_ROUNDS = 3
"""How often a request is put into a batch before it fails: servers let a batch of a busy day expire."""

_WORKS = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_READS = frozenset({"completed", "expired", "cancelled"})
_LEFT_OPEN = frozenset({"batch_expired", "batch_cancelled"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its name, its body, and whether it is a raw completion."""

    name: str
    body: Mapping[str, Any]
    raw: bool

    @property
    def path(self) -> str:
        return "/v1/completions" if self.raw else "/v1/chat/completions"

    def line(self) -> bytes:
        """The line of a file of requests."""
        said = {"custom_id": self.name, "method": "POST", "url": self.path, "body": dict(self.body)}
        return orjson.dumps(said) + b"\n"


class BatchJobs:
    """The batches of one server. To be used in one event loop."""

    def __init__(self, endpoint: Endpoint, window: str, poll_s: float) -> None:
        self._endpoint = endpoint
        self._window = window
        self._poll_s = poll_s
        self._mark = {"made_by": MADE_BY, "model": endpoint.model[:512]}
        self._files = BatchFiles(endpoint)
        self._known: dict[str, str] | None = None
        self._ended: set[str] = set()  # before this run began
        self._finding = asyncio.Lock()

    async def answer(self, requests: Sequence[Request]) -> dict[str, Answer | Trouble]:
        """What came of each request, by its name; a trouble with a batch is told of all that are left."""
        found: dict[str, Answer | Trouble] = {}
        left = {request.name: request for request in requests}
        try:
            known = await self._find_known()
            for _ in range(MAX_ROUNDS):
                await self._ask(left, known, found)
                if not left:
                    return found
        except BatchTrouble as exc:
            return {**found, **dict.fromkeys(left, exc.trouble)}
        open_ = Trouble(f"left a request unanswered in {MAX_ROUNDS} batches")
        return {**dict.fromkeys(left, open_), **found}

    async def aclose(self) -> None:
        """Closes the connections; batches go on, and are found again."""
        await self._files.aclose()

    async def _ask(
        self, left: dict[str, Request], known: dict[str, str], found: dict[str, Answer | Trouble]
    ) -> None:
        """One batch for each request that is left, old or new; `left` keeps what must be asked again."""
        batches = {known[name] for name in left if name in known}
        for lot in _split([request for name, request in left.items() if name not in known]):
            batch = await self._start(lot)
            batches.add(batch)
            known.update((each.name, batch) for each in lot)
        order = sorted(batches)
        for batch, told in zip(
            order, await asyncio.gather(*(self._finish(b, left) for b in order)), strict=True
        ):
            for name, line in told.items():
                said = found[name] = self._read(line, raw=left[name].raw)
                # what an ended batch of an earlier run was refused costs nothing to be asked again
                final = isinstance(said, Answer) or (said.kind != "passing" and batch not in self._ended)
                if final:
                    del left[name]
        for name in left:  # their batch ended without an answer, and was not paid for them
            known.pop(name, None)

    async def _find_known(self) -> dict[str, str]:
        """The batch of each request that the server has of us, the newest of those that may answer it."""
        async with self._finding:
            if self._known is None:
                known: dict[str, str] = {}
                async for batch in self._files.list_batches():
                    if not self._is_ours(batch):
                        continue
                    name = read_id(batch)
                    if batch.get("status") in _READS:
                        self._ended.add(name)
                    async for line in _read_if_there(self._files, batch.get("input_file_id")):
                        known.setdefault(str(line.get("custom_id")), name)
                self._known = known
            return self._known

    def _is_ours(self, batch: Mapping[str, Any]) -> bool:
        metadata = batch.get("metadata")
        marked = isinstance(metadata, dict) and self._mark.items() <= metadata.items()
        return marked and batch.get("status") in _WORKS | _READS

    async def _start(self, requests: Sequence[Request]) -> str:
        """The id of a new batch of these requests."""
        data = b"".join(request.line() for request in sorted(requests, key=lambda each: each.name))
        said = {
            "input_file_id": await self._files.upload(data),
            "endpoint": requests[0].path,
            "completion_window": self._window,
            "metadata": self._mark,
        }
        return await self._files.create(said)

    async def _finish(self, batch: str, wanted: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The lines of a batch for `wanted` requests by their names, once it has ended."""
        state = await self._files.look(batch)
        while state.get("status") in _WORKS:
            await asyncio.sleep(self._poll_s)
            state = await self._files.look(batch)
        status = state.get("status")
        if status == "cancelled" and batch not in self._ended:
            raise BatchTrouble(Trouble("was told to cancel our batch", "fatal"))
        if status not in _READS:
            raise BatchTrouble(Trouble(self._say_failed(state), "fatal", mistake=True))
        told: dict[str, dict[str, Any]] = {}
        for key in ("error_file_id", "output_file_id"):
            async for line in _read_if_there(self._files, state.get(key)):
                if (name := str(line.get("custom_id"))) in wanted:
                    told[name] = line
        return told

    def _say_failed(self, state: Mapping[str, Any]) -> str:
        errors = state.get("errors")
        listed = errors.get("data") if isinstance(errors, dict) else None
        first = listed[0] if isinstance(listed, list) and listed else None
        message = first.get("message") if isinstance(first, dict) else None
        why = clean_sentence(str(message or ""), self._endpoint.api_key)
        return f"ends our batch as {clean_sentence(str(state.get('status')))}: {why or 'it gives no reason'}"

    def _read(self, line: Mapping[str, Any], *, raw: bool) -> Answer | Trouble:
        """The answer in a line of a file of answers, read as a response of its own."""
        key, response = self._endpoint.api_key, line.get("response")
        if not isinstance(response, dict):
            error = line.get("error")
            code = str(error.get("code")) if isinstance(error, dict) else ""
            said = str(error.get("message") or code) if isinstance(error, dict) else ""
            what = clean_sentence(said, key) or "it gives no reason"
            open_ = code in _LEFT_OPEN or not said
            told = f"leaves a request of a batch without an answer: {what}"
            return Trouble(told, "passing" if open_ else "refusal")
        status = response.get("status_code")
        code_ = status if isinstance(status, int) and 200 <= status <= 599 else 500
        try:
            content = orjson.dumps(response.get("body"))
        except orjson.JSONEncodeError:
            content = b"null"
        whole = httpx.Response(code_, content=content)
        return read_status(whole, key) or read_answer(whole, raw=raw, key=key)


def _split(requests: Sequence[Request]) -> Iterator[list[Request]]:
    """Requests of one path each, in lots whose file is not too large."""
    for raw in (False, True):
        lot: list[Request] = []
        length = 0
        for request in (each for each in requests if each.raw is raw):
            size = len(request.line())
            if lot and length + size > MAX_UPLOAD_BYTES:
                yield lot
                lot, length = [], 0
            lot.append(request)
            length += size
        if lot:
            yield lot


async def _read_if_there(files: BatchFiles, file: Any) -> AsyncIterator[dict[str, Any]]:
    """The lines of a file; none of one that a batch has not, or that the server let go."""
    if not file:
        return
    try:
        async for line in files.read_lines(check_id(file)):
            yield line
    except BatchTrouble as exc:
        if not exc.missing:
            raise
