"""The connections of our own lanes: one pool for each event loop, shared by all calls.

Nothing of one call reaches another: no cookies, no redirects, and each request brings
its own key.
"""

import asyncio
import importlib
import io
from collections.abc import Awaitable, Mapping
from functools import lru_cache
from typing import Any, Final

import aiohttp

from llm import _litellm
from llm.addresses import guarded_socket, proxy_of

# Seconds an idle connection is kept; common front ends close theirs after 60 or more.
_KEEP_ALIVE: Final = 50.0
_DNS_CACHE: Final = 300
# Seconds for the rest of an answer whose end we have seen, before it is cut off.
_LINGER: Final = 1.0
# aiohttp warns of longer bodies given as bytes.
_LARGE: Final = 1024 * 1024
_HEADERS: Final = {
    "User-Agent": "parley",
    "Content-Type": "application/json",
    # A compressing front end would hold tokens back until it has a block's worth.
    "Accept-Encoding": "identity",
}


class _Attempt:
    """One try of a request: whether it went over a kept connection."""

    reused = False


class Connections:
    """The pool of one event loop. `open` counts the calls that are under way."""

    def __init__(self) -> None:
        self.open = 0
        self._leaving: dict[aiohttp.ClientResponse, asyncio.TimerHandle] = {}
        self._session = _session(None)
        self._guarded = _session(guarded_socket)

    async def request(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        connect: float,
        *,
        guarded: bool = False,
    ) -> aiohttp.ClientResponse:
        """The response, as soon as its headers are here; the caller has to leave it.

        A POST of `body`, or a GET without one.
        `connect` is in seconds; `guarded` connects to public addresses only, unless
        the machine's proxy connects for us. Tries a second time when a kept connection
        turns out to be closed before a byte of an answer: servers close idle
        connections, and our request may cross their doing so. Raises what aiohttp
        raises.
        """
        proxy = proxy_of(url.partition("?")[0])
        session = self._guarded if guarded and proxy is None else self._session

        def send(attempt: _Attempt) -> Awaitable[aiohttp.ClientResponse]:
            return session.request(
                "GET" if body is None else "POST",
                url,
                data=io.BytesIO(body) if body and len(body) >= _LARGE else body,
                headers=headers,
                allow_redirects=False,
                proxy=proxy,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect),
                trace_request_ctx=attempt,
            )

        try:
            return await send(attempt := _Attempt())
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not attempt.reused:
                raise
        return await send(_Attempt())

    def leave(self, response: aiohttp.ClientResponse, *, ended: bool) -> None:
        """Be done with a response; never waits.

        When the answer has `ended` its last bytes may still come, for a moment, so
        that the connection can be used again; otherwise the connection is closed,
        which ends the provider's work.
        """
        if response.closed:  # read to its end
            return
        if not ended:
            response.close()
            return
        loop = asyncio.get_running_loop()
        self._leaving[response] = loop.call_later(_LINGER, self._cut_off, response)
        response.content.on_eof(lambda: self._forget(response))

    def _cut_off(self, response: aiohttp.ClientResponse) -> None:
        self._forget(response)
        response.close()

    def _forget(self, response: aiohttp.ClientResponse) -> None:
        handle = self._leaving.pop(response, None)
        if handle is not None:
            handle.cancel()

    async def close(self) -> None:
        """Close all connections, also those of calls under way."""
        for response in list(self._leaving):
            self._cut_off(response)
        await self._session.close()
        await self._guarded.close()


def _session(sockets: aiohttp.SocketFactoryType | None) -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
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
        trace_configs=[tracing],
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


async def _note_reuse(_: object, context: Any, __: object) -> None:
    context.trace_request_ctx.reused = True


@lru_cache(maxsize=1)
def tls_context() -> Any:
    """LiteLLM's: SSL_VERIFY, SSL_CERT_FILE and their like mean what they mean there."""
    _litellm.load()  # first, since litellm reads its settings as it is imported
    module: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    context = module.get_ssl_configuration()
    return context if context is not None else True
