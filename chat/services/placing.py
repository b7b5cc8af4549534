"""Where in the tree a turn happens, by what was sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from chat.errors import InvalidMessageError, NotFoundError
from chat.models import Conversation, Message
from chat.turns.plan import Send


@dataclass(frozen=True, slots=True)
class Place:
    """An existing question, or a new one's parent. `partial` is the text that the new
    reply begins with, `before` the reply that it is another one for."""

    question: Message | None = None
    parent: Message | None = None
    partial: str = ""
    before: Message | None = None

    def moment(self) -> datetime:
        """Now, but later than what the new message hangs below: a branch is read in
        order of time, also when the clock was set back."""
        above = self.question or self.parent
        now = timezone.now()
        if above is None:
            return now
        return max(now, above.created_at + timedelta(microseconds=1))


def place_of(conversation: Conversation, send: Send) -> Place:
    """To be called under the conversation's lock. Raises NotFoundError and
    InvalidMessageError."""
    target = _message(conversation, send.target_id)
    if send.trigger == "regenerate":
        question = _question_of(conversation, target)
        shown = target or conversation.active_leaf
        before = shown if shown and shown.pk != question.pk else None
        return Place(question=question, before=before)
    if send.trigger == "continue":
        return _continuing(conversation, target)
    if target is not None:
        if target.role != Message.Role.USER:
            raise InvalidMessageError("Only your own messages can be edited.")
        return Place(parent=target.parent)
    if send.parent_id is not None:
        return Place(parent=_message(conversation, send.parent_id))
    return Place(parent=conversation.active_leaf)


def _message(conversation: Conversation, message_id: str | None) -> Message | None:
    if message_id is None:
        return None
    found = conversation.messages.filter(pk=message_id).first()
    if found is None:
        raise NotFoundError("There is no such message in this conversation.")
    return found


def _question_of(conversation: Conversation, target: Message | None) -> Message:
    """The user message that `target`, or the active branch's end, answers."""
    found = target or conversation.active_leaf
    if found is not None and found.role == Message.Role.ASSISTANT:
        found = found.parent
    if found is None or found.role != Message.Role.USER:
        raise InvalidMessageError("There is no question to answer again.")
    return found


def _continuing(conversation: Conversation, target: Message | None) -> Place:
    if target is None or not target.is_unfinished:
        raise InvalidMessageError(
            "Only a reply that was stopped, failed or cut off can be continued."
        )
    return Place(question=_question_of(conversation, target), partial=target.text)
