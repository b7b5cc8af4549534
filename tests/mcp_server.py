"""A stand-in MCP server: the SDK's own, over Streamable HTTP, on a loopback port.

`with McpStandIn() as mcp:`; its tools are NAMES and one whose name no provider takes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn
from mcp.server.mcpserver import MCPServer

NAMES = ("add", "shout", "fail", "long", "huge", "hang")
KEY = "mcp-secret-0123456789"


class McpStandIn:
    """`calls` are names and arguments of what was called, `headers` those of the last
    request."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.headers: dict[str, str] = {}
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), host="127.0.0.1", port=0, log_config=None)
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/mcp"

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    def _app(self) -> Any:
        server = MCPServer("Stand-in")

        @server.tool()
        def add(a: int, b: int) -> str:
            """Adds two numbers."""
            self.calls.append(("add", (a, b)))
            return str(a + b)

        @server.tool()
        def shout() -> str:
            """Markup that nobody may run."""
            return "<script>alert(1)</script>\x00\x1b[31m"

        @server.tool()
        def fail() -> str:
            """Raises."""
            raise RuntimeError("the cupboard is bare")

        @server.tool()
        def long() -> str:
            """More than a tool may say."""
            return "x" * 300_000

        @server.tool()
        def huge() -> str:
            """More than anybody would read from a connection."""
            return "x" * 10_000_000

        @server.tool()
        async def hang() -> str:
            """Never answers."""
            self.calls.append(("hang", ()))
            await asyncio.sleep(3600)
            return ""

        @server.tool(name="no.provider.takes.this")
        def odd() -> str:
            """Has an odd name."""
            return ""

        inner = server.streamable_http_app(stateless_http=True)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.headers = {
                    name.decode(): value.decode() for name, value in scope["headers"]
                }
            await inner(scope, receive, send)

        return app
