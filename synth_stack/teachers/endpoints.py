"""The servers of a teacher: where they are, the connections to them, and which one takes the next request."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.request import getproxies, proxy_bypass

import httpx

from synth_stack.teachers.congestion import Congestion
from synth_stack.teachers.rate_limit import Pace


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is and how it is asked. `base_url` ends in /v1; `api_key` is never written anywhere.

    `host` is what a `base_url` with an address that was looked up before was called: the server is told it,
    and its certificate must bear it. `key_header` is the header that takes the key, `query` what goes behind
    every path.
    """

    base_url: str
    model: str
    timeout_s: float
    retries: int
    api_key: str | None = None
    trust_env: bool = True
    host: str | None = None
    key_header: str = "Authorization"
    query: Mapping[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """What every request says."""
        said = f"Bearer {self.api_key}" if self.key_header.lower() == "authorization" else self.api_key
        key = {self.key_header: str(said)} if self.api_key else {}
        return {**key, "Host": self.host} if self.host else key

    def extensions(self) -> dict[str, str]:
        """The name that a certificate is asked for, where the address does not say it."""
        return {"sni_hostname": self.host.partition(":")[0]} if self.host else {}

    def find_proxy(self) -> str | None:
        """The proxy that the environment names for this address (urllib.request.getproxies), if it counts."""
        url = httpx.URL(self.base_url)
        if not self.trust_env or proxy_bypass(url.host):
            return None
        proxies = getproxies()
        proxy = proxies.get(url.scheme) or proxies.get("all")
        return f"http://{proxy}" if proxy and "://" not in proxy else proxy

    def url(self, path: str) -> str:
        """The address of a path below `base_url`."""
        url = f"{self.base_url}/{path}"
        return str(httpx.URL(url, params=dict(self.query))) if self.query else url


MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Of one response, unpacked: 128,000 tokens, escaped and with the log-probability of each, are less."""


_OF_TRANSFER = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
"""Headers that say how a body came, and nothing of what it is once it is unpacked."""


class TooLongError(Exception):
    """A response is longer than any answer."""


class Connection:
    """One connection to a server, kept open between its requests; redirects are not followed.

    It is httpx's transport, without the client around it: cookies, redirects and authentication cost as much
    CPU as a third of the request (benchmarks/generation.py), and none of them is wanted here.
    """

    def __init__(self, endpoint: Endpoint, certificates: ssl.SSLContext) -> None:
        self._endpoint = endpoint
        self._transport = httpx.AsyncHTTPTransport(
            verify=certificates, trust_env=endpoint.trust_env, proxy=endpoint.find_proxy(), limits=_ONE
        )
        self._headers = [*_HEADERS.items(), *endpoint.headers().items()]
        timeout = httpx.Timeout(endpoint.timeout_s).as_dict()
        self._extensions = {"timeout": timeout, **endpoint.extensions()}

    async def post(self, path: str, body: bytes) -> httpx.Response:
        """The whole response to a JSON body. Raises httpx.HTTPError, httpx.InvalidURL and TooLongError."""
        request = httpx.Request(
            "POST",
            self._endpoint.url(path),
            headers=self._headers,
            content=body,
            extensions=self._extensions,
        )
        response = await self._transport.handle_async_request(request)
        response.request = request
        parts, read_bytes = [], 0
        try:
            async for part in response.aiter_bytes():  # as aread does, and no further than this
                read_bytes += len(part)
                if read_bytes > MAX_ANSWER_BYTES:
                    raise TooLongError
                parts.append(part)
        finally:
            await response.aclose()
        headers = [pair for pair in response.headers.raw if pair[0].lower() not in _OF_TRANSFER]
        return httpx.Response(response.status_code, headers=headers, content=b"".join(parts), request=request)

    async def aclose(self) -> None:
        """Closes it."""
        await self._transport.aclose()


_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1)

_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": "application/json",
    "User-Agent": f"python-httpx/{httpx.__version__}",
}
"""What httpx's own client says: a hosted service may turn away what names no client."""


class Server:
    """One endpoint at work: its connections, its pace, how much it bears, and whether it is down.

    Each request in flight has a connection of its own: httpx looks through every connection of a pool for
    each request, and with 64 in one pool that takes longer than all the rest (benchmarks/generation.py prints
    both). They are made as they are needed.
    """

    def __init__(self, endpoint: Endpoint, most: int, pace: Pace) -> None:
        self.endpoint = endpoint
        self.congestion = Congestion(most, endpoint.timeout_s)
        self.pace = pace
        self.down: str | None = None
        self.failures_in_a_row = self.answers = 0
        self._certificates = httpx.create_ssl_context(trust_env=endpoint.trust_env)
        self._made: list[Connection] = []
        self._free: list[Connection] = []

    def take_connection(self) -> Connection:
        """The connection that was used last, or a new one."""
        return self._free.pop() if self._free else self._make()

    def give_connection(self, connection: Connection) -> None:
        """Put a connection back for the next request."""
        self._free.append(connection)

    async def aclose(self) -> None:
        """Closes every connection."""
        for connection in self._made:
            await connection.aclose()

    def _make(self) -> Connection:
        connection = Connection(self.endpoint, self._certificates)
        self._made.append(connection)
        return connection


class Fleet:
    """The servers that answer for one teacher; a request goes to the least busy one that is not down.

    To be used in one event loop.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = tuple(servers)
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def take(self, failed: Server | None = None) -> AsyncIterator[Server | None]:
        """A server that has room for a request, until the block ends; None when all of them are down.

        One that has `failed` the request gets it only where no other has room: it would be the least busy.
        """
        server = await self._reserve(failed)
        if server is None:
            yield None
            return
        try:
            yield server
        finally:
            server.congestion.in_flight -= 1
            self._wake()

    def drain(self, server: Server, what: str) -> bool:
        """Send nothing more to a server, where another one is left; whether one is."""
        others = [each for each in self.servers if each is not server and each.down is None]
        if others and server.down is None:
            server.down = what
            self._wake()
        return bool(others)

    async def aclose(self) -> None:
        """Closes every connection."""
        for server in self.servers:
            await server.aclose()

    async def _reserve(self, failed: Server | None) -> Server | None:
        while True:
            live = [server for server in self.servers if server.down is None]
            if not live:
                return None
            free = [server for server in live if server.congestion.has_room]
            if free:
                chosen = min(free, key=lambda each: (each is failed, each.pace.is_held, each.congestion.load))
                chosen.congestion.in_flight += 1
                return chosen
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def _wake(self) -> None:
        room = sum(
            max(int(server.congestion.limit) - server.congestion.in_flight, 0)
            for server in self.servers
            if server.down is None
        )
        while room > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1
