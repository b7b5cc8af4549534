"""The JSON of one conversation: everything there is, for programs and for the import.

docs/conversation.schema.json describes it; docs/export.md says what versions mean.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from chat.exporting.transcript import messages_of
from chat.models import Conversation, Message
from usage.pricing import cost_text

FORMAT = "parley-conversation"
VERSION = 1


def conversation_json(
    conversation: Conversation, *, whole: bool, exported_at: datetime
) -> bytes:
    """UTF-8, indented; `conversation` comes with its owner and agent."""
    messages = messages_of(conversation, whole=whole)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": exported_at,
        "conversation": {
            "id": conversation.pk,
            "title": conversation.title,
            "owner": conversation.owner.get_full_name(),
            "agent": conversation.agent.slug,
            "active_leaf_id": conversation.active_leaf_id,
            "message_count": len(messages),
            "total_tokens": conversation.total_tokens,
            "archived_at": conversation.archived_at,
            "created_at": conversation.created_at,
            "updated_at": conversation.updated_at,
        },
        "agents": _agents(conversation, messages),
        "messages": [_message(message) for message in messages],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)


def _agents(
    conversation: Conversation, messages: list[Message]
) -> list[dict[str, Any]]:
    """Each with the revisions of it that wrote a message here."""
    agents = {conversation.agent_id: conversation.agent}
    revisions: dict[int, dict[int, dict[str, Any]]] = {}
    for message in messages:
        revision = message.agent_revision
        if revision is not None:
            agents[revision.agent_id] = revision.agent
            revisions.setdefault(revision.agent_id, {})[revision.number] = {
                "number": revision.number,
                "model": revision.model,
                "created_at": revision.created_at,
            }
    return [
        {
            "slug": agent.slug,
            "name": agent.name,
            "revisions": [row for _, row in sorted(revisions.get(pk, {}).items())],
        }
        for pk, agent in agents.items()
    ]


def _message(message: Message) -> dict[str, Any]:
    revision = message.agent_revision
    return {
        "id": message.pk,
        "parent_id": message.parent_id,
        "role": message.role,
        "author": message.author.get_full_name() if message.author else None,
        "text": message.text,
        "parts": message.parts,
        "status": message.status,
        "error_code": message.error_code,
        "finish_reason": message.finish_reason or None,
        "model": message.model,
        "agent": (
            {"slug": revision.agent.slug, "revision": revision.number}
            if revision
            else None
        ),
        "usage": {
            "prompt_tokens": message.prompt_tokens,
            "completion_tokens": message.completion_tokens,
            "total_tokens": message.total_tokens,
            "estimated": message.estimated,
            "cost": cost_text(message.cost),
        },
        "created_at": message.created_at,
    }
