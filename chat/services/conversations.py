"""Stopping turns from outside; archiving and removing conversations."""

from __future__ import annotations

import time

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat.errors import NotFoundError, TurnRunningError
from chat.models import Conversation, Message, Turn, TurnLogEntry
from chat.services.progress import notify
from chat.services.recovering import recover_turn

STOP_WAIT_SECONDS = 5.0


def conversation_for(user: User, conversation_id: str) -> Conversation:
    """Raises NotFoundError, also for somebody else's."""
    found = Conversation.objects.visible_to(user).filter(pk=conversation_id).first()
    if found is None:
        raise NotFoundError("There is no such conversation.")
    return found


def request_stop(*, user: User, conversation_id: str) -> list[str]:
    """Ask the process that runs this conversation's turn to end it; harmless when
    none runs. Returns the turns' ids. Raises NotFoundError."""
    return _ask_to_stop(conversation_for(user, conversation_id))


@transaction.atomic
def _ask_to_stop(conversation: Conversation) -> list[str]:
    # The row for a process that hears no notice, the notice for one that does.
    running = list(conversation.turns.running().values_list("pk", flat=True))
    Turn.objects.running().filter(pk__in=running, stop_requested_at=None).update(
        stop_requested_at=timezone.now()
    )
    for turn_id in running:
        notify("stop", turn_id)
    return running


def stop_and_wait(*, conversation: Conversation) -> None:
    """Stop a running turn and come back when its reply is stored.

    A process that does not answer within STOP_WAIT_SECONDS is taken for dead. Blocks
    the calling thread; never call it in a transaction.
    """
    deadline = time.monotonic() + STOP_WAIT_SECONDS
    while running := list(conversation.turns.running().values_list("pk", flat=True)):
        if time.monotonic() > deadline:
            for turn_id in running:
                recover_turn(turn_id=turn_id)
            return
        _ask_to_stop(conversation)
        time.sleep(0.05)


def archive(*, conversation: Conversation) -> None:
    """Put away; a turn that still runs is stopped, its text kept."""
    stop_and_wait(conversation=conversation)
    conversation.refresh_from_db()
    conversation.archive()


def purge(*, conversation: Conversation) -> None:
    """Remove it for good, with its messages; what it cost stays in the ledger, and
    so a running turn is stopped first."""
    stop_and_wait(conversation=conversation)
    _remove(conversation)


@transaction.atomic
def _remove(conversation: Conversation) -> None:
    Conversation.objects.select_for_update().get(pk=conversation.pk)
    if conversation.turns.running().exists():
        raise TurnRunningError
    # In this order: the rows point at each other.
    turns = Turn.objects.filter(conversation=conversation)
    TurnLogEntry.objects.filter(turn_id__in=turns.values("pk")).delete()
    turns.delete()
    Conversation.objects.filter(pk=conversation.pk).update(active_leaf=None)
    Message.objects.filter(conversation=conversation).delete()
    conversation.delete()
