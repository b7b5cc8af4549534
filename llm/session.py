"""The connections of our own lanes: one pool for each event loop, shared by all calls.

Nothing of one call reaches another: no cookies, no redirects, and each request brings
its own key.
"""

import asyncio
import contextlib
import importlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from weakref import WeakSet

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from llm import _litellm
from llm.addresses import guarded_socket, proxy_of
from llm.exchange import Exchange

# Seconds an idle connection is kept; common front ends close theirs after 60 or more.
_KEEP_ALIVE: Final = 50.0
_DNS_CACHE: Final = 300
# Seconds that the end of all connections may take.
_CLOSING: Final = 5.0
# Seconds in which the end of a kept connection may have crossed our request.
_CROSSING: Final = 2.0
# Seconds for the rest of an answer whose end we have seen, before it is cut off.
_LINGER: Final = 1.0
_HEADERS: Final = {
    "User-Agent": "parley",
    "Content-Type": "application/json",
    # A compressing front end would hold tokens back until it has a block's worth.
    "Accept-Encoding": "identity",
}


class Connections:
    """The pool of one event loop. `open` counts the calls that are under way."""

    def __init__(self) -> None:
        self.open = 0
        # Answers whose end we have seen, and whose last bytes may still come.
        self._leaving: set[Exchange] = set()
        self._used: WeakSet[Any] = WeakSet()
        self._session = _session(None)
        self._guarded = _session(guarded_socket)

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        connect: float,
        *,
        guarded: bool = False,
    ) -> Exchange:
        """The answer, as soon as its head is here; the caller has to leave it.

        `connect` is in seconds; `guarded` connects to public addresses only, unless
        the machine's proxy connects for us. Tries a second time when a kept connection
        turns out to be closed, soon and before a byte of an answer: servers close idle
        connections, and our request may cross their doing so. Raises what aiohttp
        raises.
        """
        proxy = proxy_of(url.partition("?")[0])
        session = self._guarded if guarded and proxy is None else self._session
        request = _request(url, {**_HEADERS, **headers}, len(body), proxy)
        connection = await self._connection(session, request, connect)
        kept = connection.protocol in self._used
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            return await self._exchange(connection, request, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not kept or clock() > asked + _CROSSING:
                raise
        connection = await self._connection(session, request, connect)
        return await self._exchange(connection, request, body)

    async def _connection(
        self,
        session: aiohttp.ClientSession,
        request: aiohttp.ClientRequest,
        limit: float,
    ) -> Connection:
        pool: Any = session.connector
        timeout = aiohttp.ClientTimeout(total=None, connect=limit)
        try:
            found: Connection = await pool.connect(request, traces=[], timeout=timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(
                f"no connection within {limit:g} seconds"
            ) from error
        return found

    async def _exchange(
        self, connection: Connection, request: aiohttp.ClientRequest, body: bytes
    ) -> Exchange:
        self._used.add(connection.protocol)
        # The second where a server said something while nobody had asked.
        if connection.closed or getattr(connection.protocol, "should_close", True):
            connection.close()
            raise aiohttp.ServerDisconnectedError
        exchange = Exchange(connection, self._leaving.discard)
        try:
            exchange.send(_line(request), request.headers, body)
            await exchange.started()
        except BaseException:
            exchange.leave()
            raise
        return exchange

    async def get(
        self,
        url: str,
        headers: Mapping[str, str],
        connect: float,
        *,
        guarded: bool = False,
    ) -> aiohttp.ClientResponse:
        """The response, as soon as its headers are here; the caller has to close it.
        As `post` otherwise."""
        proxy = proxy_of(url.partition("?")[0])
        session = self._guarded if guarded and proxy is None else self._session
        return await session.get(
            url,
            headers=headers,
            allow_redirects=False,
            proxy=proxy,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect),
        )

    def leave(self, exchange: Exchange, *, ended: bool) -> None:
        """Be done with an answer; never waits.

        When it has `ended` its last bytes may still come, for a moment, so that the
        connection can be used again; otherwise the connection is closed, which ends
        the provider's work.
        """
        self._leaving.add(exchange)
        exchange.leave(linger=_LINGER if ended else 0.0)

    async def close(self) -> None:
        """Close all connections, also those of calls under way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._session.close()
                await self._guarded.close()


def _request(
    url: str, headers: Mapping[str, str], size: int, proxy: str | None
) -> aiohttp.ClientRequest:
    """What aiohttp connects for. Raises its errors for what is no address."""
    try:
        parsed = URL(url)
    except ValueError as error:
        raise aiohttp.InvalidURL(url) from error
    if parsed.scheme not in {"http", "https"}:
        raise aiohttp.NonHttpUrlClientError(url)
    return aiohttp.ClientRequest(
        "POST",
        parsed,
        headers={**headers, "Content-Length": str(size)},
        proxy=None if proxy is None else URL(proxy),
        loop=asyncio.get_running_loop(),
    )


def _line(request: aiohttp.ClientRequest) -> str:
    """The request's first line; a proxy that reads it is told the whole address."""
    url = request.url
    if request.proxy is not None and not request.is_ssl():
        return f"POST {url} HTTP/1.1"
    return f"POST {url.raw_path_qs} HTTP/1.1"


def _session(sockets: aiohttp.SocketFactoryType | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            # aiohttp lets whoever exceeds its limit wait silently; ours refuses.
            limit=0,
            ttl_dns_cache=_DNS_CACHE,
            keepalive_timeout=_KEEP_ALIVE,
            ssl=tls_context(),
            socket_factory=sockets,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        # Not trust_env: it asks a thread for the proxy, and another one for a .netrc
        # file, at each request. `proxy_of` is the same without the latter.
        trust_env=False,
    )


# A process has one loop, which closes its pool. Tests have many.
_pools: Final[dict[asyncio.AbstractEventLoop, Connections]] = {}


def connections() -> Connections:
    """The running event loop's pool, made when first asked for."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = Connections()
    return pool


async def close_connections() -> None:
    """Close the running event loop's pool; the next call would make a new one."""
    pool = _pools.pop(asyncio.get_running_loop(), None)
    if pool is not None:
        await pool.close()


@lru_cache(maxsize=1)
def tls_context() -> Any:
    """LiteLLM's: SSL_VERIFY, SSL_CERT_FILE and their like mean what they mean there."""
    _litellm.load()  # first, since litellm reads its settings as it is imported
    module: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    context = module.get_ssl_configuration()
    return context if context is not None else True
