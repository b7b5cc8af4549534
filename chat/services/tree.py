"""Changes of a conversation's tree: which branch is shown, what is removed.

Each locks the conversation's row first, as the start of a turn does, so that they come
one after another.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat.errors import InvalidMessageError, NotFoundError, TurnRunningError
from chat.models import (
    PREVIEW_LENGTH,
    RUNNING,
    Conversation,
    Message,
    Turn,
    TurnLogEntry,
    one_line,
)
from chat.querysets import ConversationQuerySet
from chat.services.access import refusal
from chat.services.sharing import shorten_links


@transaction.atomic
def select_branch(*, user: User, conversation_id: str, message_id: str) -> str:
    """Show the branch that goes on from this message to the newest leaf below it, whose
    id is returned.

    Raises NotFoundError, ForbiddenError, and InvalidMessageError for a message of
    somewhere else.
    """
    writable = Conversation.objects.writable_by(user)
    conversation = _locked(writable, user, conversation_id)
    leaf = _newest_leaf(conversation, message_id)
    if leaf is None:
        raise InvalidMessageError("There is no such message in this conversation.")
    Conversation.objects.filter(pk=conversation.pk).update(
        active_leaf=leaf, updated_at=timezone.now()
    )
    return leaf


@transaction.atomic
def delete_message(*, user: User, conversation_id: str, message_id: str) -> None:
    """Remove a message with all that hangs below it; what it cost stays counted. For
    the owner alone, since others may have written there.

    Raises NotFoundError, ForbiddenError, and TurnRunningError while a reply among them
    is written.
    """
    owned = Conversation.objects.owned_by(user)
    conversation = _locked(owned, user, conversation_id)
    top = conversation.messages.filter(pk=message_id).first()
    if top is None:
        raise NotFoundError("There is no such message in this conversation.")
    below = Message.objects.below(top.pk, conversation)
    doomed = set(below.values_list("pk", flat=True))
    turns = Turn.objects.filter(conversation=conversation, reply__in=doomed)
    if turns.running().exists():
        raise TurnRunningError
    TurnLogEntry.objects.filter(turn_id__in=turns.values("pk")).delete()
    turns.delete()
    if conversation.active_leaf_id in doomed:
        # Nobody may point at them when they go.
        Conversation.objects.filter(pk=conversation.pk).update(active_leaf=None)
    shorten_links(doomed, top.parent_id)
    # All at once and by id alone: Django would go down the tree level by level.
    Message.objects.filter(pk__in=doomed).only("pk").delete()
    _recount(
        conversation, top.parent_id, lost_leaf=conversation.active_leaf_id in doomed
    )


def _locked(
    allowed: ConversationQuerySet, user: User, conversation_id: str
) -> Conversation:
    found = allowed.select_for_update().filter(pk=conversation_id).first()
    if found is None:
        raise refusal(user, conversation_id)
    return found


def _newest_leaf(conversation: Conversation, message_id: str) -> str | None:
    below = Message.objects.below(message_id, conversation).leaves().newest_first()
    return below.values_list("pk", flat=True).first()


def _recount(conversation: Conversation, above: str | None, *, lost_leaf: bool) -> None:
    """Bring the conversation's row into line with the messages that remain; `above` is
    what the removed ones hung below. Tokens that were used stay counted."""
    newest = conversation.messages.newest_first().select_related("parent").first()
    changes: dict[str, object] = {
        "message_count": conversation.messages.count(),
        "last_message_at": _last_moment(conversation, newest),
        "last_message_preview": preview_of(newest) if newest else "",
        "updated_at": timezone.now(),
    }
    if lost_leaf:
        roots = conversation.messages.filter(parent=None).newest_first()
        top = above or roots.values_list("pk", flat=True).first()
        changes["active_leaf"] = _newest_leaf(conversation, top) if top else None
    Conversation.objects.filter(pk=conversation.pk).update(**changes)


def _last_moment(conversation: Conversation, newest: Message | None) -> datetime:
    """When something last happened here: a reply counts from its end."""
    if newest is None:
        return conversation.created_at
    turn = Turn.objects.filter(reply=newest).first()
    ended = (turn and turn.finished_at) or newest.created_at
    return max(conversation.created_at, newest.created_at, ended)


def preview_of(newest: Message) -> str:
    """Of a conversation's newest message: its text; of a reply that has none or is
    being written, its question's."""
    text = newest.text
    if newest.parent and (newest.status in RUNNING or not text.strip()):
        text = newest.parent.text
    return one_line(text, PREVIEW_LENGTH)
