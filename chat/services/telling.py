"""News of a conversation for everybody who may see it, as notices to all processes
(chat.announcements says what becomes of them)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from chat.models import Conversation, Share, Turn
from chat.services.progress import notify
from tenants.prepared import Prepared, hole


def _people() -> QuerySet[Any, Any]:
    conversation_id = hole(0, str)
    owners = Conversation.objects.filter(pk=conversation_id).order_by()
    readers = Share.objects.readers([conversation_id])
    return owners.values_list("pk", "owner_id").union(readers)


_PEOPLE = Prepared(_people)


def listeners_of(conversation_id: str) -> dict[str, object]:
    """Whom a notice about this conversation is for, as fields of it: `users`, and
    `everybody` where the whole tenant may see it."""
    people: set[tuple[str, int | None]] = set(_PEOPLE.rows(conversation_id))
    known = sorted(person for _, person in people if person is not None)
    return {"users": known, "everybody": (conversation_id, None) in people}


def see(conversation: Conversation) -> None:
    """Its owner looks at it; the marks on their other pages go if there are any."""
    if conversation.seen_at < conversation.last_message_at:
        owner = [conversation.owner_id]
        notify("seen", "", conversation=conversation.pk, users=owner)
    conversation.see()


def tell_started(turn: Turn) -> None:
    """So that the others follow it while it is written."""
    listeners = listeners_of(turn.conversation_id)
    if listeners["everybody"] or listeners["users"] != [turn.author_id]:
        notify(
            "started",
            turn.pk,
            conversation=turn.conversation_id,
            message=turn.reply_id,
            question=turn.reply.parent_id,
            author=turn.author_id,
            **listeners,
        )
