"""Where in one conversation something stands: its questions, or what a search finds in
all of its messages. `chat.search.finding` looks in all conversations."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left
from django.utils.html import escape
from django.utils.safestring import SafeString

from chat.models import Conversation, Message, one_line
from chat.search.finding import INDEXED, bounded
from chat.search.snippets import pattern_of, snippet, without_markup
from chat.search.terms import understand

# More lines than that nobody looks through.
QUESTIONS, FOUND = 1_000, 100
_LENGTH = 140
# Messages of a preview, and how much of each.
PREVIEW, _HEAD = 4, 500


@dataclass(frozen=True, slots=True)
class Place:
    """A message and the line that stands for it. One that is not `shown` is in another
    version of the conversation."""

    message_id: str
    role: str
    line: SafeString
    shown: bool = True


def questions(conversation: Conversation) -> list[Place]:
    """Those of the branch that is shown, oldest first."""
    path = Message.objects.path_to(conversation.active_leaf_id, conversation)
    asked = path.filter(role=Message.Role.USER).annotate(head=Left("text", 4 * _LENGTH))
    rows = asked.values_list("pk", "head")[:QUESTIONS]
    return [
        Place(pk, Message.Role.USER, escape(one_line(head, _LENGTH)))
        for pk, head in rows
    ]


def around(conversation: Conversation, message_id: str) -> list[Place]:
    """A message with its neighbours on its branch, or the newest ones."""
    at = conversation.messages.filter(pk=message_id).first()
    leaf = conversation.active_leaf_id
    if at is not None:
        reply = at.children.order_by("-created_at").first()
        leaf = (reply or at).pk
    ids = Message.objects.path_ids(leaf, conversation)
    rows = Message.objects.filter(pk__in=ids[:PREVIEW]).order_by("created_at", "pk")
    heads = rows.annotate(head=Left("text", _HEAD)).values_list("pk", "role", "head")
    return [Place(pk, role, escape(_plain(role, head))) for pk, role, head in heads]


def find_within(conversation: Conversation, typed: str) -> list[Place]:
    """In every version of the conversation, oldest first. Raises as
    `chat.search.finding.find`."""
    with bounded():
        search = understand(typed)
        fits = RawSQL("text_search @@ %s::tsquery", [search.tsquery], BooleanField())
        rows = list(
            Message.objects.filter(fits, conversation=conversation)
            .order_by("created_at", "pk")
            .values_list("pk", "role", Left("text", INDEXED))[:FOUND]
            if search.tsquery
            else ()
        )
        branch = set(
            Message.objects.path_ids(conversation.active_leaf_id, conversation)
        )
    pattern = pattern_of(search.marks)
    return [
        Place(pk, role, snippet(_plain(role, text), pattern), pk in branch)
        for pk, role, text in rows
    ]


def _plain(role: str, text: str) -> str:
    return without_markup(text) if role == Message.Role.ASSISTANT else text
