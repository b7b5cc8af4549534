"""The same change for many conversations at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from accounts.models import User
from chat.errors import TurnRunningError
from chat.models import Conversation
from chat.services.conversations import remove

Action = Literal["archive", "restore", "delete", "pin", "unpin"]
# Before these a running turn is stopped.
ENDING: Final = frozenset({"archive", "delete"})
_CHANGES: Final[dict[str, dict[str, object]]] = {
    "archive": {"archived_at": Coalesce(F("archived_at"), Now())},
    "restore": {"archived_at": None},
    "pin": {"pinned_at": Coalesce(F("pinned_at"), Now())},
    "unpin": {"pinned_at": None},
}


def owned_among(user: User, ids: Collection[str]) -> set[str]:
    mine = Conversation.objects.owned_by(user).filter(pk__in=ids)
    return set(mine.values_list("pk", flat=True))


def change_many(*, user: User, ids: Collection[str], action: Action) -> set[str]:
    """The ids of those that now are as asked: archived, restored, pinned, unpinned or
    gone. Left out is what is not the person's own, and on "delete" what has a turn
    running."""
    if action == "delete":
        return {pk for pk in sorted(owned_among(user, ids)) if _removed(pk, user)}
    with transaction.atomic():
        # In one order everywhere, so that two such requests never wait in a circle.
        rows = Conversation.objects.owned_by(user).filter(pk__in=ids).order_by("pk")
        found = list(rows.select_for_update().values_list("pk", flat=True))
        Conversation.objects.filter(pk__in=found).update(
            **_CHANGES[action], updated_at=timezone.now()
        )
    return set(found)


def _removed(conversation_id: str, by: User) -> bool:
    try:
        remove(conversation_id=conversation_id, by=by)
    except TurnRunningError:
        return False
    return True
