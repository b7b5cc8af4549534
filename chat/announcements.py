"""Small news for a person's open pages, over Channels: a turn ended elsewhere.

Never the text of a message; the page asks for that with its own session.
"""

from __future__ import annotations

from channels.layers import get_channel_layer

from chat.turns.plan import TurnPlan


def group_of(schema_name: str, user_id: int) -> str:
    """Two tenants have users with the same id: the schema is part of the name."""
    return f"{schema_name}.user.{user_id}"


async def turn_ended(plan: TurnPlan, status: str) -> None:
    await get_channel_layer().group_send(
        group_of(plan.scope.schema_name, plan.user_id),
        {
            "type": "announce",
            "content": {
                "type": "turn-ended",
                "conversationId": plan.conversation_id,
                "messageId": plan.reply_id,
                "status": status,
            },
        },
    )
