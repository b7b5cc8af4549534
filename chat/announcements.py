"""Small news for a person's open pages, over Channels: a turn ended elsewhere, a
conversation has a title.

Never the text of a message; the page asks for that with its own session.
"""

from __future__ import annotations

from typing import Any

from channels.layers import get_channel_layer


def group_of(schema_name: str, user_id: int) -> str:
    """Two tenants have users with the same id: the schema is part of the name."""
    return f"{schema_name}.user.{user_id}"


async def budget_used(notice: dict[str, Any]) -> None:
    """To this process's sockets of all whom a budget concerns of which 80 or 100 % are
    used."""
    for user_id in notice["users"]:
        await get_channel_layer().group_send(
            group_of(notice["schema"], user_id),
            {
                "type": "announce",
                "content": {
                    "type": "budget-used",
                    "scope": notice["scope"],
                    "period": notice["period"],
                    "percent": notice["percent"],
                    "text": notice["text"],
                },
            },
        )


async def turn_ended(notice: dict[str, Any]) -> None:
    """To this process's sockets; every process hears the notice of the end itself
    (chat.services.finishing writes it) and tells its own."""
    await get_channel_layer().group_send(
        group_of(notice["schema"], notice["user"]),
        {
            "type": "announce",
            "content": {
                "type": "turn-ended",
                "conversationId": notice["conversation"],
                "messageId": notice["message"],
                "status": notice["status"],
            },
        },
    )


async def conversation_titled(notice: dict[str, Any]) -> None:
    """As `turn_ended`, of chat.services.titling's notice."""
    await get_channel_layer().group_send(
        group_of(notice["schema"], notice["user"]),
        {
            "type": "announce",
            "content": {
                "type": "conversation-titled",
                "conversationId": notice["conversation"],
                "title": notice["title"],
            },
        },
    )
