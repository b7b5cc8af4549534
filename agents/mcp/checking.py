"""What an admin is told of an MCP server: asked now, or by the last turn that did."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from asgiref.sync import async_to_sync
from django.utils.translation import gettext, ngettext

from agents.crypto import UnreadableCredentialError
from agents.mcp.health import note_health
from agents.mcp.resolving import address_of
from agents.models import McpServer
from tenants.db import release


@dataclass(frozen=True, slots=True)
class Checked:
    """`tools` are names and descriptions as agents list them."""

    ok: bool
    code: str
    detail: str
    latency_ms: int
    tools: list[dict[str, str]]


def check_server(server: McpServer) -> Checked:
    """Ask which tools it has. Waits for the network, without a connection to the
    database."""
    started = time.monotonic()
    try:
        address = address_of(server)
    except UnreadableCredentialError:
        detail = gettext("Its headers cannot be decrypted; enter them again.")
        note_health(server.pk, 0, detail)
        return Checked(False, "mcp_headers_unreadable", detail, 0, [])
    client: Any = import_module("agents.mcp.client")  # the SDK is slow to import
    release()
    listing = async_to_sync(client.ask)(address)
    note_health(server.pk, len(listing.tools), listing.failure)
    milliseconds = round((time.monotonic() - started) * 1000)
    if listing.failure:
        detail = gettext("The server failed: %(why)s") % {"why": listing.failure}
        return Checked(False, "mcp_server_failed", detail, milliseconds, [])
    tools = [
        {"name": tool.name, "description": tool.description}
        for tool in listing.tools.values()
    ]
    return Checked(True, "", _counted(len(tools)), milliseconds, tools)


def _counted(tools: int) -> str:
    if not tools:
        return gettext("It has no tools.")
    text = ngettext(
        "It answered, with %(number)d tool.",
        "It answered, with %(number)d tools.",
        tools,
    )
    return text % {"number": tools}
