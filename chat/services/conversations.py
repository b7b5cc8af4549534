"""Archiving and removing conversations."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat.errors import NotFoundError, TurnRunningError
from chat.models import Conversation, Message, Turn


def conversation_for(user: User, conversation_id: str) -> Conversation:
    """Raises NotFoundError, also for somebody else's."""
    found = Conversation.objects.visible_to(user).filter(pk=conversation_id).first()
    if found is None:
        raise NotFoundError("There is no such conversation.")
    return found


def request_stop(*, user: User, conversation_id: str) -> None:
    """Note in the row that the running turn shall end; harmless when none runs."""
    conversation = conversation_for(user, conversation_id)
    conversation.turns.running().filter(stop_requested_at=None).update(
        stop_requested_at=timezone.now()
    )


@transaction.atomic
def purge(*, conversation: Conversation) -> None:
    """Remove it for good, with its messages; what it cost stays in the ledger.

    Raises TurnRunningError while an answer is being written: its cost is not yet
    known, and the row that leads to it would be gone.
    """
    Conversation.objects.select_for_update().get(pk=conversation.pk)
    if conversation.turns.running().exists():
        raise TurnRunningError
    # In this order: the rows point at each other.
    Turn.objects.filter(conversation=conversation).delete()
    Conversation.objects.filter(pk=conversation.pk).update(active_leaf=None)
    Message.objects.filter(conversation=conversation).delete()
    conversation.delete()
