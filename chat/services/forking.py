"""A branch as a conversation of its own."""

from __future__ import annotations

from copy import copy

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat.errors import NotFoundError, TurnRunningError
from chat.ids import new_id
from chat.models import Conversation, Message
from chat.services.sharing import linked, snapshot
from chat.services.tree import preview_of


@transaction.atomic
def fork(*, user: User, conversation_id: str, message_id: str) -> Conversation:
    """Copy the way from the first message to this one into a new conversation of
    `user`, who may see the old one.

    The messages keep their dates, tokens and cost; the copy has used nothing, so its
    total is 0. Raises NotFoundError, and TurnRunningError while the last of the
    messages is not finished.
    """
    # Locked, so that nothing is removed from the path while it is copied.
    visible = Conversation.objects.visible_to(user).select_for_update()
    source = visible.filter(pk=conversation_id).first()
    if source is None:
        raise NotFoundError("There is no such conversation.")
    path = list(Message.objects.path_to(message_id, source))
    if not path:
        raise NotFoundError("There is no such message in this conversation.")
    if path[-1].is_being_written:
        raise TurnRunningError
    made = Conversation(
        owner=user,
        agent_id=source.agent_id,
        title=source.title,
        title_set_at=source.title_set_at,
    )
    return _store(made, _copies(path, made))


@transaction.atomic
def copy_linked(*, user: User, token: str) -> Conversation:
    """What a link shows, and no more of it than that, as a new conversation of `user`.
    Raises NotFoundError."""
    share = linked(token)
    made = Conversation(
        owner=user,
        agent_id=share.conversation.agent_id,
        title=share.title,
        title_set_at=timezone.now(),
    )
    copies = _copies(snapshot(share), made)
    for message in copies:
        message.author = None
        message.wish = ""
        message.parts = [{"type": "text", "text": message.text}]
        message.prompt_tokens = message.completion_tokens = message.total_tokens = 0
        message.estimated, message.cost = False, None
    return _store(made, copies)


def _store(made: Conversation, copies: list[Message]) -> Conversation:
    made.message_count = len(copies)
    made.last_message_at = timezone.now()
    made.last_message_preview = preview_of(copies[-1])
    made.active_leaf = copies[-1]
    made.save(force_insert=True)
    Message.objects.bulk_create(copies, batch_size=500)
    return made


def _copies(path: list[Message], conversation: Conversation) -> list[Message]:
    """Every field as it was, but for what ties a message to its place."""
    copies: list[Message] = []
    for message in path:
        made = copy(message)
        made._state.adding = True
        made.pk = new_id()
        made.conversation = conversation
        made.parent = copies[-1] if copies else None
        made.wish_about = ""
        copies.append(made)
    return copies
