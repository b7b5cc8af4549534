"""What was last heard of an MCP server, for its admins."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext

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
        return gettext("Switched off.")
    if server.asked_at is None:
        return gettext("Not asked yet.")
    recent = timezone.now() - server.asked_at < timedelta(minutes=1)
    when = (
        gettext("just now")
        if recent
        else gettext("%(time)s ago") % {"time": timesince(server.asked_at, depth=1)}
    )
    if server.failure:
        return gettext("Failed %(when)s: %(why)s") % {
            "when": when,
            "why": server.failure,
        }
    text = ngettext(
        "Answered %(when)s, %(number)d tool.",
        "Answered %(when)s, %(number)d tools.",
        server.tools_found,
    )
    return text % {"when": when, "number": server.tools_found}
