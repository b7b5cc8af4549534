"""Removing for good what has been archived for as long as the tenant wants it kept."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from chat.errors import TurnRunningError
from chat.models import ChatSettings, Conversation
from chat.querysets import ConversationQuerySet
from chat.services.conversations import remove

BATCH = 100


def purge_some() -> int:
    """Remove up to BATCH expired conversations of the tenant in force, one transaction
    each; returns how many. Safe to repeat and to run anywhere at once."""
    days = ChatSettings.current().purge_archived_after_days
    if days is None:
        return 0
    candidates = _expired(days).order_by("archived_at").values_list("pk", flat=True)
    return sum(_purge(pk, days) for pk in list(candidates[:BATCH]))


@transaction.atomic
def _purge(conversation_id: str, days: int) -> bool:
    # Looked at again under its lock: it may have been restored, or removed, meanwhile.
    due = _expired(days).filter(pk=conversation_id)
    if not due.select_for_update(skip_locked=True, of=("self",)).exists():
        return False
    try:
        remove(conversation_id=conversation_id, by=None)
    except TurnRunningError:
        return False
    return True


def _expired(days: int) -> ConversationQuerySet:
    """By the database's clock, which all processes share."""
    return Conversation.objects.filter(archived_at__lt=Now() - timedelta(days=days))
