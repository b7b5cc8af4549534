"""Asking MCP servers: which tools they have, and what those say. By the official SDK.

Whatever a server says is untrusted: names and sizes are checked, results are text.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

import httpx2
import orjson
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CONNECTION_CLOSED,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    CallToolResult,
    TextContent,
)
from mcp_types import Tool as ServerTool

from agents.mcp.health import note_health
from agents.mcp.resolving import ServerAddress
from agents.mcp.transport import http_client
from agents.tools.base import NAME, SEPARATOR, Tool, ToolContext, ToolError
from agents.tools.running import clean
from llm import session
from tenants.db import unit

logger = structlog.get_logger(__name__)

_CACHE_SECONDS: Final = 60.0
# A server that did not answer is not asked again by every turn.
_FAILED_SECONDS: Final = 30.0
_LIST_SECONDS: Final = 10.0
_MOST_SERVERS: Final = 1_000
_MOST_TOOLS: Final = 200
_PAGES: Final = 20
_DESCRIPTION: Final = 2_000
_SCHEMA: Final = 20_000


@dataclass(frozen=True, slots=True)
class Listing:
    """What a server said when it was last asked; `failure` in words, empty if it
    answered. `at` is of time.monotonic()."""

    at: float
    tools: Mapping[str, Tool]
    failure: str = ""

    @property
    def is_fresh(self) -> bool:
        seconds = _FAILED_SECONDS if self.failure else _CACHE_SECONDS
        return time.monotonic() - self.at < seconds


_Key = tuple[str, int, str]
_listings: Final[dict[_Key, Listing]] = {}
_asking: Final[dict[_Key, asyncio.Task[Listing]]] = {}


async def tools_of(server: ServerAddress) -> Mapping[str, Tool]:
    """Its tools by the names that models are told; none if it does not answer.

    However many turns want to know, it is asked once.
    """
    key = _key(server)
    known = _listings.get(key)
    if known is not None and known.is_fresh:
        return known.tools
    task = _asking.get(key)
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = _asking[key] = asyncio.create_task(_ask_and_note(server))
        task.add_done_callback(partial(_forget, key))
    # Shielded: a turn that is stopped takes nothing from the others.
    return (await asyncio.shield(task)).tools


async def _ask_and_note(server: ServerAddress) -> Listing:
    listing = await ask(server)
    try:
        await unit(
            server.scope, note_health, server.id, len(listing.tools), listing.failure
        )
    except (DatabaseError, InterfaceError) as error:
        logger.warning("MCP health not noted", error=type(error).__name__)
    return listing


def _forget(key: _Key, task: asyncio.Task[Listing]) -> None:
    if _asking.get(key) is task:
        del _asking[key]


async def ask(server: ServerAddress) -> Listing:
    """Ask for the tools, whatever is known. Never raises."""
    tools: dict[str, Tool] = {}
    failure = ""
    # The first time it imports what takes seconds.
    await asyncio.to_thread(session.tls_context)
    try:
        # A turn waits for this before its first word.
        async with asyncio.timeout(min(server.seconds, _LIST_SECONDS)):
            async with _connected(server) as client:
                for tool in await _list(client):
                    if made := _tool(server, tool):
                        tools[made.name] = made
    except (Exception, asyncio.CancelledError) as error:  # any, from a task group
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
        failure = _reason(error)
        logger.warning(
            "MCP server failed",
            server=server.name,
            reason=failure,
            error=type(error).__name__,
        )
    listing = Listing(time.monotonic(), tools, failure)
    _listings[_key(server)] = listing
    if len(_listings) > _MOST_SERVERS:
        del _listings[next(iter(_listings))]
    return listing


@asynccontextmanager
async def _connected(server: ServerAddress) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        transport: Any
        if server.command:
            if not settings.ALLOW_STDIO_TOOLS:
                raise ToolError("The operator allows no programs as servers.")
            command, *arguments = shlex.split(server.command)
            # Of our own environment it gets HOME and its like, and no key; what it
            # writes beside its answers would fill our log.
            program = StdioServerParameters(
                command=command,
                args=arguments,
                env={"PATH": os.defpath},
                cwd=tempfile.gettempdir(),
            )
            transport = stdio_client(program, errlog=stack.enter_context(_nowhere()))
        else:
            http = await stack.enter_async_context(http_client(server))
            transport = streamable_http_client(
                server.url, http_client=http, terminate_on_close=False
            )
        yield await stack.enter_async_context(
            Client(transport, read_timeout_seconds=server.seconds)
        )


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w")


async def _list(client: Client) -> list[ServerTool]:
    found: list[ServerTool] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor or len(found) >= _MOST_TOOLS:
            break
    return found[:_MOST_TOOLS]


def _tool(server: ServerAddress, tool: ServerTool) -> Tool | None:
    """None for one that the admin does not allow, or that no provider would take."""
    name = f"{server.name}{SEPARATOR}{tool.name}"
    if server.allowed and tool.name not in server.allowed:
        return None
    schema = _schema(tool.input_schema)
    if schema is None or not tool.name or not NAME.fullmatch(name):
        return None
    return Tool(
        name=name,
        description=clean(tool.description or "")[:_DESCRIPTION],
        schema=schema,
        run=partial(_call, server, tool.name),
        needs_approval=server.needs_approval,
        seconds=server.seconds,
        # By the server itself: its schema may name other documents to be loaded, and
        # patterns that take forever.
        checks_arguments=False,
    )


def _schema(given: dict[str, Any]) -> dict[str, Any] | None:
    """As all providers take it; one that they refuse would end every answer. The SDK
    has checked that it is an object's."""
    try:
        size = len(orjson.dumps(given))
    except orjson.JSONEncodeError:  # a number too long, say
        return None
    return {"properties": {}, **given} if size <= _SCHEMA else None


async def _call(
    server: ServerAddress, name: str, context: ToolContext, arguments: dict[str, Any]
) -> str:
    try:
        async with _connected(server) as client:
            result = await client.call_tool(name, arguments)
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
        raise ToolError(f"The server {server.name} failed: {_reason(error)}") from error
    text = _text(result)
    if result.is_error:
        raise ToolError(text or "The tool failed and did not say why.")
    return text


def _text(result: CallToolResult) -> str:
    """The texts of a result; of images and the like only that they are there."""
    pieces = [
        part.text if isinstance(part, TextContent) else f"[{part.type} left out]"
        for part in result.content
    ]
    if not pieces and result.structured_content is not None:
        return orjson.dumps(result.structured_content).decode()
    return "\n".join(pieces)


def _key(server: ServerAddress) -> _Key:
    return server.scope.schema_name, server.id, server.version


def _is_cancelled() -> bool:
    """Whether it is our own task that is to end, and not one below the SDK."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: BaseException) -> str:
    """In words of ours: what a server or a library says may hold a key."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case ToolError():
            return str(error)
        case TimeoutError() | httpx2.TimeoutException():
            return "it did not answer in time."
        case MCPError(code=code) if code == REQUEST_TIMEOUT:
            return "it did not answer in time."
        case asyncio.CancelledError():  # below the SDK, as the connection broke
            return "it ended the connection."
        case MCPError(code=code) if code == CONNECTION_CLOSED:
            return "it ended the connection."
        case MCPError(code=code) if code == PARSE_ERROR:
            return "its answer makes no sense."
        case ValueError():
            return "its answer makes no sense."
        case MCPError():
            return "it refused the request."
        case OSError() if isinstance(error, FileNotFoundError):
            return "its program cannot be started."
    if "private network" in str(error):
        return "addresses of private networks are not allowed here."
    return "it cannot be reached."
