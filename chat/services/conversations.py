"""Asking turns to stop; renaming and removing conversations."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat.errors import TurnRunningError
from chat.models import Conversation, Message, Turn, TurnLogEntry
from chat.services.access import refusal
from chat.services.progress import notify
from chat.services.sharing import end_all
from chat.services.telling import listeners_of


def request_stop(*, user: User, conversation_id: str) -> list[str]:
    """Ask the process that runs this conversation's turn to end it; harmless when
    none runs. Returns the turns' ids. Raises NotFoundError and ForbiddenError."""
    if not Conversation.objects.writable_by(user).filter(pk=conversation_id).exists():
        raise refusal(user, conversation_id)
    return ask_to_stop(conversation_id)


@transaction.atomic
def ask_to_stop(conversation_id: str) -> list[str]:
    """The ids of the turns that run, after their process has been told to end them."""
    # The row for a process that hears no notice, the notice for one that does.
    running = running_turns(conversation_id)
    Turn.objects.running().filter(pk__in=running, stop_requested_at=None).update(
        stop_requested_at=timezone.now()
    )
    for turn_id in running:
        notify("stop", turn_id)
    return running


def running_turns(conversation_id: str) -> list[str]:
    found = Turn.objects.running().filter(conversation=conversation_id)
    return list(found.values_list("pk", flat=True))


@transaction.atomic
def rename(*, conversation: Conversation, title: str) -> None:
    """A title that a person chose; open pages show it, too."""
    conversation.rename(title)
    listeners = listeners_of(conversation.pk)
    notify("titled", "", conversation=conversation.pk, title=title, **listeners)


@transaction.atomic
def remove(*, conversation_id: str, by: User | None) -> None:
    """Remove it for good, with its messages; what it cost stays in the ledger. `by`
    is who wants that, for the log of sharing; None for its retention.

    Raises TurnRunningError while a turn runs, whose cost is not known yet. Harmless
    when it is gone already.
    """
    found = Conversation.objects.select_for_update().filter(pk=conversation_id).first()
    if found is None:
        return
    if running_turns(conversation_id):
        raise TurnRunningError
    end_all(found, by)
    turns = Turn.objects.filter(conversation=conversation_id)
    TurnLogEntry.objects.filter(turn_id__in=turns.values("pk")).delete()
    # In this order: the rows point at each other.
    turns.delete()
    Conversation.objects.filter(pk=conversation_id).update(active_leaf=None)
    # By id alone: Django would load what it deletes.
    Message.objects.filter(conversation=conversation_id).only("pk").delete()
    Conversation.objects.filter(pk=conversation_id).delete()
