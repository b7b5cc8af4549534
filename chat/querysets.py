"""Reads of conversations and messages. `visible_to` is the only gate."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now

if TYPE_CHECKING:
    from accounts.models import User
    from chat.models import Conversation, Message, Turn  # noqa: F401  # in strings


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: User) -> ConversationQuerySet:
        """What this person may see; to everybody else it does not exist."""
        return self.filter(owner=user)

    def active(self) -> ConversationQuerySet:
        return self.filter(archived_at=None)

    def archived(self) -> ConversationQuerySet:
        return self.exclude(archived_at=None)

    def newest_first(self) -> ConversationQuerySet:
        return self.order_by("-last_message_at", "-pk")


# Walks from a message up to the first one. UNION drops repeats, so that even a cycle
# the constraints should have prevented ends the walk.
_PATH = """
WITH RECURSIVE path(id, parent_id, depth) AS (
    SELECT id, parent_id, 0 FROM chat_message WHERE id = %s AND conversation_id = %s
    UNION
    SELECT m.id, m.parent_id, path.depth + 1
    FROM chat_message m JOIN path ON m.id = path.parent_id
    WHERE path.depth < %s
)
SELECT id FROM path
"""
# More than any context window holds; bounds the walk.
PATH_LIMIT = 20_000


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
