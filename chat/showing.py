"""What the chat page shows of a branch: its messages with their siblings, and how full
the model's context is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.models import Provider
from chat.models import Conversation, Message
from llm import catalogue

# More than this at once no browser shows comfortably.
MESSAGES_MAX = 5_000
# So many messages above one that somebody wants to see.
_ABOVE = 11


@dataclass(frozen=True, slots=True)
class Row:
    """A message and where it stands among its siblings, of which it is the `number`th
    of `count`; `previous` and `next` are ids, "" at the ends."""

    message: Message
    number: int = 1
    count: int = 1
    previous: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Gauge:
    """Tokens of the model's context that the last reply took."""

    used: int
    window: int

    @property
    def percent(self) -> int:
        return min(100, round(self.used * 100 / self.window))


@dataclass(frozen=True, slots=True)
class Transcript:
    """`earlier` says whether to offer messages above the first row; a part that begins
    with a given message has what is above it already. `on_branch` is whether the
    message `at` is in the version that is shown."""

    rows: list[Row]
    earlier: bool
    on_branch: bool = False

    @property
    def last_reply(self) -> Message | None:
        last = self.rows[-1].message if self.rows else None
        return last if last and last.role == Message.Role.ASSISTANT else None


def transcript(
    conversation: Conversation,
    *,
    count: int,
    start: str = "",
    before: str = "",
    at: str = "",
) -> Transcript:
    """`count` messages of the branch that is shown, oldest first: the newest ones, or
    those above the message `before`; or, whatever their number, those from the message
    `start` on. As many more as it takes for the message `at` to be among them, up to
    MESSAGES_MAX. Ids that are not on the branch are ignored."""
    ids = Message.objects.path_ids(conversation.active_leaf_id, conversation)
    places = {pk: place for place, pk in enumerate(ids)}
    if at in places:
        count = max(count, min(places[at] + _ABOVE, MESSAGES_MAX))
    if start in places:
        first, end = 0, places[start] + 1
    else:
        first = places.get(before, -1) + 1
        end = first + count
    shown = Message.objects.filter(pk__in=ids[first:end])
    shown = shown.select_related("agent_revision__agent", "author")
    rows = _rows(list(shown.order_by("created_at", "pk")))
    return Transcript(rows, start not in places and end < len(ids), at in places)


def _rows(messages: list[Message]) -> list[Row]:
    siblings = Message.objects.siblings_of(messages)
    return [_row(m, siblings.get(m.parent_id, [m.pk])) for m in messages]


def _row(message: Message, siblings: Sequence[str]) -> Row:
    place = siblings.index(message.pk)
    return Row(
        message=message,
        number=place + 1,
        count=len(siblings),
        previous=siblings[place - 1] if place else "",
        next=siblings[place + 1] if place + 1 < len(siblings) else "",
    )


def gauge_of(reply: Message | None) -> Gauge | None:
    """None where the window is not known, or nothing was counted."""
    if reply is None or not reply.total_tokens:
        return None
    name, _, model = reply.model.partition("/")
    provider = Provider.objects.filter(name=name).first()
    window = provider and catalogue.context_window(provider.kind, model)
    return Gauge(reply.total_tokens, window) if window else None
