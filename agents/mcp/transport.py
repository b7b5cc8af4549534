"""How MCP servers are reached: the SDK's HTTP client on connections that may be made.

As for providers, the address a socket connects to decides, not the name: a name may
lead elsewhere a moment later.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Final

import httpx2
from django.conf import settings

from agents.mcp.resolving import ServerAddress
from llm import session
from llm.addresses import is_public, proxy_of

# Of one answer, a list of tools included.
_BYTES: Final = 4 * 1024 * 1024


def http_client(server: ServerAddress) -> httpx2.AsyncClient:
    """To be used in an `async with`."""
    return httpx2.AsyncClient(
        transport=_Bounded(server.url),
        # What is sent compressed could be a thousand times as long as it looks.
        headers={**dict(server.headers), "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(server.seconds),
        follow_redirects=False,
    )


class _Bounded(httpx2.AsyncBaseTransport):
    """Connects to public addresses only, unless the operator allows others, and reads
    no more than anybody could mean."""

    def __init__(self, url: str) -> None:
        proxy = proxy_of(url.partition("?")[0])
        self._inner = httpx2.AsyncHTTPTransport(
            verify=session.tls_context(), trust_env=False, proxy=proxy
        )
        self._guarded = not settings.ALLOW_PRIVATE_ADDRESSES
        self._by_proxy = proxy is not None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            # What a server says unasked is not for us, and could be without end.
            return httpx2.Response(405, request=request)
        if self._guarded:
            request = await self._pinned(request)
        response = await self._inner.handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.ReadError("the answer is compressed, unasked")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _pinned(self, request: httpx2.Request) -> httpx2.Request:
        """To the address that was looked at, under the name that was asked for."""
        host, port = request.url.host, request.url.port
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port or 443, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError("the host cannot be found") from error
        addresses = [str(info[4][0]) for info in found]
        if not addresses or not all(map(is_public, addresses)):
            raise httpx2.ConnectError("the address belongs to a private network")
        if self._by_proxy:  # which connects for us, and looks the name up itself
            return request
        return httpx2.Request(
            request.method,
            request.url.copy_with(host=addresses[0]),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for block in self._inner:
            size += len(block)
            if size > _BYTES:
                raise httpx2.ReadError("the answer is too long")
            yield block

    async def aclose(self) -> None:
        await self._inner.aclose()
