"""News of a conversation for everybody who may see it, as notices to all processes
(chat.announcements says what becomes of them)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from chat.models import Conversation, Share, Turn
from chat.services.progress import notify
from tenants.prepared import Prepared, hole


def _people(conversation_ids: Sequence[str]) -> QuerySet[Any, Any]:
    owners = Conversation.objects.filter(pk__in=conversation_ids).order_by()
    readers = Share.objects.readers(conversation_ids)
    return owners.values_list("pk", "owner_id").union(readers)


_PEOPLE_OF_ONE = Prepared(lambda: _people([hole(0, str)]))


def listeners_of(conversation_id: str) -> dict[str, object]:
    """Whom a notice about this conversation is for, as fields of it: `users`, and
    `everybody` where the whole tenant may see it."""
    return listeners_of_all([conversation_id])[conversation_id]


def listeners_of_all(conversation_ids: Sequence[str]) -> dict[str, dict[str, object]]:
    """As `listeners_of`, for each of these."""
    people: Iterable[tuple[str, int | None]]
    if len(conversation_ids) == 1:
        people = _PEOPLE_OF_ONE.rows(*conversation_ids)
    else:
        people = _people(conversation_ids)
    known: dict[str, set[int | None]] = {pk: set() for pk in conversation_ids}
    for conversation_id, person in people:
        known[conversation_id].add(person)
    return {
        pk: {
            "users": sorted(person for person in persons if person is not None),
            "everybody": None in persons,
        }
        for pk, persons in known.items()
    }


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
