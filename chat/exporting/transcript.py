"""A conversation as Markdown, HTML and PDF tell it: its messages in reading order, with
the marks that make a tree of them readable on paper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext, gettext_noop

from accounts.models import User
from chat.errors import NotFoundError
from chat.models import RUNNING, Conversation, Message
from chat.templatetags.chat_markup import error_sentence, mark, usage_text

_ENDINGS = {
    "stopped": gettext_noop("Stopped: the reply is as far as it got."),
    "interrupted": gettext_noop(
        "Interrupted: the server was restarted while it wrote this reply."
    ),
    "failed": gettext_noop("The reply failed."),
    "length": gettext_noop("Cut off: the reply reached the limit of its length."),
    "content-filter": gettext_noop("Cut off by the provider's content filter."),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. `number` counts from 1 in reading order; `below` is the number of
    its parent where that is not the entry before, 0 for a first message."""

    number: int
    message: Message
    speaker: str
    version: int
    versions: int
    below: int | None


@dataclass(frozen=True, slots=True)
class Transcript:
    conversation: Conversation
    entries: list[Entry]
    exported_at: datetime

    @property
    def title(self) -> str:
        return self.conversation.title or gettext("Untitled conversation")

    @property
    def participants(self) -> list[str]:
        """The owner, and then all who wrote or answered as they appear."""
        owner = self.conversation.owner.get_full_name()
        return list(dict.fromkeys([owner, *(entry.speaker for entry in self.entries)]))

    @property
    def models(self) -> list[str]:
        found = (entry.message.model for entry in self.entries)
        return list(dict.fromkeys(model for model in found if model))

    @property
    def usage(self) -> str:
        """Of the messages told here, with the cost of those whose price is known."""
        messages = [entry.message for entry in self.entries]
        costs = [message.cost for message in messages if message.cost is not None]
        return usage_text(
            sum(message.total_tokens for message in messages),
            sum(costs, Decimal(0)),
            any(message.estimated for message in messages),
        )

    @property
    def began_at(self) -> datetime:
        times = [entry.message.created_at for entry in self.entries]
        return min(times, default=self.conversation.created_at)

    @property
    def ended_at(self) -> datetime:
        times = [entry.message.created_at for entry in self.entries]
        return max(times, default=self.conversation.created_at)


def conversation_for_export(user: User, conversation_id: str) -> Conversation:
    """With its owner and agent. Raises NotFoundError, also for somebody else's."""
    visible = Conversation.objects.visible_to(user).select_related("owner", "agent")
    found = visible.filter(pk=conversation_id).first()
    if found is None:
        raise NotFoundError("There is no such conversation.")
    return found


def messages_of(conversation: Conversation, *, whole: bool) -> list[Message]:
    """The active branch, or with `whole` every message; a parent before its children,
    siblings oldest first."""
    related = ("agent_revision__agent", "author")
    if not whole:
        branch = Message.objects.path_to(conversation.active_leaf_id, conversation)
        return list(branch.select_related(*related))
    rows = Message.objects.filter(conversation=conversation).select_related(*related)
    children: dict[str | None, list[Message]] = {}
    for message in rows.order_by("created_at", "pk"):
        children.setdefault(message.parent_id, []).append(message)
    told: list[Message] = []
    waiting = children.get(None, [])[::-1]
    while waiting:
        message = waiting.pop()
        told.append(message)
        waiting += children.get(message.pk, [])[::-1]
    return told


def tell(
    conversation: Conversation, messages: list[Message], exported_at: datetime
) -> Transcript:
    """`messages` as `messages_of` gives them."""
    numbers: dict[str | None, int] = {None: 0}
    families: dict[str | None, list[str]] = {}
    for number, message in enumerate(messages, 1):
        numbers[message.pk] = number
        families.setdefault(message.parent_id, []).append(message.pk)
    entries: list[Entry] = []
    for number, message in enumerate(messages, 1):
        family = families[message.parent_id]
        parent = numbers.get(message.parent_id, 0)
        entries.append(
            Entry(
                number=number,
                message=message,
                speaker=_speaker(conversation, message),
                version=family.index(message.pk) + 1,
                versions=len(family),
                below=None if parent == number - 1 else parent,
            )
        )
    return Transcript(conversation, entries, exported_at)


def _speaker(conversation: Conversation, message: Message) -> str:
    if message.role == Message.Role.USER:
        return message.author.get_full_name() if message.author else gettext("User")
    revision = message.agent_revision
    return revision.agent.name if revision else conversation.agent.name


def ending(message: Message) -> str:
    """A sentence on how a reply ended; empty when it ended by itself."""
    if message.status in RUNNING:
        return gettext("Still being written at the time of this export.")
    how = _ENDINGS.get(mark(message))
    return error_sentence(message) or (gettext(how) if how else "")
