"""Conversations as rows, for tests that only read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from agents.models import Agent
from chat.models import Conversation, Message
from tenants.db import entered
from tenants.models import Tenant
from tests.factories import person

START = datetime(2026, 1, 1, tzinfo=UTC)
# Of a conversation and its messages that everybody has heard of.
ID, QUESTION, ANSWER = "shared-id-01", "question-0001", "answer-000001"
SHARE = "share-000001"


def make_conversation(
    tenant: Tenant,
    name: str = "member",
    *,
    said: tuple[str, ...] = ("Question", "Answer"),
    **fields: Any,
) -> Conversation:
    """A conversation of one of the cast; `said` alternates between user and agent."""
    with entered(tenant.scope):
        made = Conversation.objects.create(
            owner=person(tenant, name),
            agent=Agent.objects.get(slug="assistant"),
            **{"title": "A title", "message_count": len(said)} | fields,
        )
        parent = None
        for number, text in enumerate(said):
            parent = make_message(made, text, parent, number=number)
        made.active_leaf = parent
        made.save()
    return made


def make_message(
    conversation: Conversation,
    text: str,
    parent: Message | None,
    *,
    number: int = 0,
    **fields: Any,
) -> Message:
    """Answers its parent: the role alternates. Call it inside the tenant's scope."""
    from_user = parent is None or parent.role == Message.Role.ASSISTANT
    return Message.objects.create(
        conversation=conversation,
        parent=parent,
        role=Message.Role.USER if from_user else Message.Role.ASSISTANT,
        author=conversation.owner if from_user else None,
        text=text,
        parts=[{"type": "text", "text": text}],
        agent_revision=None if from_user else conversation.agent.revision,
        created_at=START + timedelta(seconds=number),
        **fields,
    )


def make_the_one(tenant: Tenant, name: str = "member", **fields: Any) -> Conversation:
    """A conversation under ids that everybody knows."""
    made = make_conversation(tenant, name, said=(), pk=ID, **fields)
    with entered(tenant.scope):
        question = Message.objects.create(
            pk=QUESTION,
            conversation=made,
            role="user",
            author=made.owner,
            text=f"Of {tenant.slug}",
        )
        answer = Message.objects.create(
            pk=ANSWER,
            conversation=made,
            role="assistant",
            parent=question,
            text=f"By {tenant.slug}",
        )
        made.active_leaf = answer
        made.save()
    return made


def everything(tenant: Tenant) -> list[Any]:
    """All rows of chat, to be compared with what they were."""
    with entered(tenant.scope):
        return [*Conversation.objects.values(), *Message.objects.values()]
