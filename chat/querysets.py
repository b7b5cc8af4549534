"""Reads of conversations and messages. `visible_to` is the gate; `writable_by` and
`owned_by` are narrower ones for what not every reader may do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, models
from django.db.models import Value
from django.db.models.functions import Now

if TYPE_CHECKING:
    from accounts.models import User
    from chat.models import Conversation, Message, Turn  # noqa: F401  # in strings


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: User) -> ConversationQuerySet:
        """What this person may see; to everybody else it does not exist."""
        return self.filter(owner=user)

    def writable_by(self, user: User) -> ConversationQuerySet:
        """Where this person may send, stop turns and change the tree."""
        return self.filter(owner=user)

    def owned_by(self, user: User) -> ConversationQuerySet:
        """What this person may rename, archive, pin, purge, hand over and share."""
        return self.filter(owner=user)

    def active(self) -> ConversationQuerySet:
        return self.filter(archived_at=None)

    def archived(self) -> ConversationQuerySet:
        return self.exclude(archived_at=None)

    def pinned(self) -> ConversationQuerySet:
        return self.exclude(pinned_at=None)

    def unpinned(self) -> ConversationQuerySet:
        return self.filter(pinned_at=None)

    def newest_first(self) -> ConversationQuerySet:
        return self.order_by("-last_message_at", "-pk")


# Walks from a message up to the first one. The limit also ends a walk in a circle.
_PATH = """
WITH RECURSIVE path(id, parent_id, depth) AS (
    SELECT id, parent_id, 0 FROM chat_message WHERE id = %s AND conversation_id = %s
    UNION ALL
    SELECT m.id, m.parent_id, path.depth + 1
    FROM chat_message m JOIN path ON m.id = path.parent_id
    WHERE path.depth < %s
)
SELECT id FROM path
"""
# More than any context window holds; bounds the walk.
PATH_LIMIT = 20_000
# Walks from a message down to all that hangs below it. UNION drops repeats, so that
# this one ends too.
_BELOW = """
WITH RECURSIVE below(id) AS (
    SELECT id FROM chat_message WHERE id = %s AND conversation_id = %s
    UNION
    SELECT m.id FROM chat_message m JOIN below ON m.parent_id = below.id
)
SELECT id FROM below
"""


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: User) -> MessageQuerySet:
        return self.filter(conversation__owner=user)

    def path_to(self, leaf: str | None, conversation: Conversation) -> MessageQuerySet:
        """The branch that ends in `leaf`, oldest first."""
        if leaf is None:
            return self.none()
        ids = models.expressions.RawSQL(  # noqa: S611  # constant text, bound values
            _PATH, [leaf, conversation.pk, PATH_LIMIT]
        )
        return self.filter(pk__in=ids).order_by("created_at", "pk")

    def path_ids(self, leaf: str | None, conversation: Conversation) -> list[str]:
        """The ids of the branch that ends in `leaf`, newest first; where it is counted
        and shown in pages this takes one walk."""
        if leaf is None:
            return []
        with connection.cursor() as cursor:
            cursor.execute(_PATH, [leaf, conversation.pk, PATH_LIMIT])
            return [pk for (pk,) in cursor.fetchall()]

    def below(self, top: str, conversation: Conversation) -> MessageQuerySet:
        """The message `top` with all that hangs below it."""
        ids = models.expressions.RawSQL(  # noqa: S611  # constant text, bound values
            _BELOW, [top, conversation.pk]
        )
        return self.filter(pk__in=ids)

    def leaves(self) -> MessageQuerySet:
        """Where a branch ends: nothing answers these."""
        answers = self.model.objects.filter(parent=models.OuterRef("pk"))
        return self.filter(~models.Exists(answers))

    def newest_first(self) -> MessageQuerySet:
        return self.order_by("-created_at", "-pk")


class TurnQuerySet(models.QuerySet["Turn"]):
    def running(self) -> TurnQuerySet:
        return self.filter(status__in=["pending", "streaming"])

    def silent(self) -> TurnQuerySet:
        """Running, as it says, but its process gave no sign of life for long; by the
        database's clock, which wrote the heartbeats."""
        age = Now() - Value(timedelta(seconds=settings.TURN_DEAD_AFTER))
        return self.running().filter(heartbeat_at__lt=age)

    def count_by_credential(self) -> dict[int, int]:
        """How many of these turns run on each version of a provider's key."""
        found = self.running().exclude(credential=None).values_list("credential")
        return dict(found.annotate(models.Count("pk")).order_by())

    def visible_to(self, user: User) -> TurnQuerySet:
        return self.filter(conversation__owner=user)
