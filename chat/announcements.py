"""Small news for people's open pages, over Channels: a turn began or ended elsewhere, a
conversation has a title or was looked at, a budget is nearly used.

Never the text of a message; the page asks for that with its own session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from channels.layers import get_channel_layer

from usage.services.settling import sentence


def group_of(schema_name: str, user_id: int) -> str:
    """Two tenants have users with the same id: the schema is part of the name."""
    return f"{schema_name}.user.{user_id}"


def everybody_of(schema_name: str) -> str:
    """The group that all sockets of a tenant are in."""
    return f"{schema_name}.everybody"


async def announce(notice: dict[str, Any]) -> None:
    """To this process's sockets; every process hears the notice itself (it is one of
    NEWS; the services that write it name its listeners) and tells its own."""
    event = {"type": "announce", "content": NEWS[notice["kind"]](notice)}
    layer, schema = get_channel_layer(), notice["schema"]
    if notice.get("everybody"):
        await layer.group_send(everybody_of(schema), event)
        return
    for user_id in notice["users"]:
        await layer.group_send(group_of(schema, user_id), event)


def _started(notice: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "turn-started",
        "conversationId": notice["conversation"],
        "userMessageId": notice["question"],
        "messageId": notice["message"],
        "authorId": notice["author"],
    }


def _begun(notice: dict[str, Any]) -> dict[str, Any]:
    return {"type": "turn-begun", "conversationId": notice["conversation"]}


def _ended(notice: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "turn-ended",
        "conversationId": notice["conversation"],
        "messageId": notice["message"],
        "status": notice["status"],
    }


def _titled(notice: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "conversation-titled",
        "conversationId": notice["conversation"],
        "title": notice["title"],
    }


def _budget_used(notice: dict[str, Any]) -> dict[str, Any]:
    """Of a budget of which 80 or 100 % are used."""
    names = ("scope", "period", "percent")
    return {"type": "budget-used", **{name: notice[name] for name in names}}


def _seen(notice: dict[str, Any]) -> dict[str, Any]:
    return {"type": "conversation-seen", "conversationId": notice["conversation"]}


def in_words(content: dict[str, Any]) -> dict[str, Any]:
    """With the sentence for a person in the language in force."""
    if content["type"] != "budget-used":
        return content
    about = content["scope"], content["period"], content["percent"]
    return {**content, "text": sentence(*about)}


NEWS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "begun": _begun,
    "started": _started,
    "ended": _ended,
    "titled": _titled,
    "seen": _seen,
    "budget": _budget_used,
}
