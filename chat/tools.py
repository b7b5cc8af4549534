"""The tool `search_conversations`: what the person said and read here before."""

from __future__ import annotations

import html
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.html import strip_tags

from accounts.models import User
from agents.tools.base import Tool, ToolContext, ToolError, object_schema
from agents.tools.registry import register
from chat.errors import SearchTooBroadError
from chat.search import finding
from tenants.db import unit

_FOUND: Final = 8
_NOTHING: Final = "Nothing was found."


async def _search(context: ToolContext, arguments: dict[str, Any]) -> str:
    return await unit(context.scope, search, context.user_id, arguments["query"])


def search(user_id: int, query: str) -> str:
    """A line for each title and message that the page's own search would show this
    person, best first; their own and what is shared with them. Raises ToolError."""
    person = User.objects.filter(pk=user_id, is_active=True).first()
    if person is None:
        return _NOTHING
    try:
        found = finding.find(person, query)
    except ValidationError:
        return _NOTHING  # there is no word in it
    except SearchTooBroadError as error:
        raise ToolError(str(error.detail)) from error
    results = finding.show(found.search, found.hits[:_FOUND])
    return "\n".join(map(_line, results)) or _NOTHING


def _line(result: finding.Result) -> str:
    place = f"{result.created_at:%Y-%m-%d}, “{result.title}” "
    place += f"(/c/{result.conversation_id})"
    if result.role is None:
        return f"{place}: a conversation of this title"
    # Nothing but marks and what was escaped: the model reads text.
    said = html.unescape(strip_tags(result.snippet))
    return f"{place}, {result.author or result.role}: {said}"


SEARCH_CONVERSATIONS = Tool(
    name="search_conversations",
    description="Finds earlier conversations of the person you talk with, and messages "
    "in them: their own, and what others share with them.",
    schema=object_schema(
        query={
            "type": "string",
            "description": "Words that all have to occur; a phrase in quotes; -word "
            "for what must not.",
            "maxLength": 300,
        }
    ),
    run=_search,
)

register(SEARCH_CONVERSATIONS)
