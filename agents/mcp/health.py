"""What was last heard of an MCP server, for its admins."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.timesince import timesince

from agents.models import McpServer


def note_health(server_id: int, tools: int, failure: str) -> None:
    """Not by saving the row: what is known of its tools is kept as long as that stays
    as it is."""
    McpServer.objects.filter(pk=server_id).update(
        asked_at=timezone.now(), tools_found=tools, failure=failure[:300]
    )


def health_of(server: McpServer) -> str:
    """In words."""
    if not server.enabled:
        return "Switched off."
    if server.asked_at is None:
        return "Not asked yet."
    recent = timezone.now() - server.asked_at < timedelta(minutes=1)
    when = "just now" if recent else f"{timesince(server.asked_at, depth=1)} ago"
    if server.failure:
        return f"Failed {when}: {server.failure}"
    tools = "1 tool" if server.tools_found == 1 else f"{server.tools_found} tools"
    return f"Answered {when}, {tools}."
