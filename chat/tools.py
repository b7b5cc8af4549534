"""The tool `search_conversations`: what the person said and read here before."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Q

from accounts.models import User
from agents.tools.base import Tool, ToolContext, object_schema
from agents.tools.registry import register
from chat.models import Message, one_line
from tenants.db import unit

_FOUND: Final = 8
_SNIPPET: Final = 300


async def _search(context: ToolContext, arguments: dict[str, Any]) -> str:
    return await unit(context.scope, find, context.user_id, arguments["query"])


def find(user_id: int, query: str) -> str:
    """The newest messages that hold all words of `query`, of conversations that this
    person may see; a line each."""
    words = query.split()[:10]
    person = User.objects.filter(pk=user_id, is_active=True).first()
    if person is None or not words:
        return "Nothing was found."
    wanted = Q()
    for word in words:
        wanted &= Q(text__icontains=word) | Q(conversation__title__icontains=word)
    found = (
        Message.objects.visible_to(person)
        .filter(wanted)
        .select_related("conversation")
        .order_by("-created_at", "-pk")[:_FOUND]
    )
    return "\n".join(map(_line, found)) or "Nothing was found."


def _line(message: Message) -> str:
    conversation = message.conversation
    return (
        f"{message.created_at:%Y-%m-%d}, “{conversation.title}” "
        f"(/c/{conversation.pk}), {message.role}: {one_line(message.text, _SNIPPET)}"
    )


SEARCH_CONVERSATIONS = Tool(
    name="search_conversations",
    description="Finds earlier messages of the person you talk with.",
    schema=object_schema(
        query={
            "type": "string",
            "description": "Words that all have to occur.",
            "maxLength": 300,
        }
    ),
    run=_search,
)

register(SEARCH_CONVERSATIONS)
