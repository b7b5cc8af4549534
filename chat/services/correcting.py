"""Messages and conversations follow what the ledger was corrected to."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import F
from django.db.models.functions import Coalesce

from chat.models import Conversation, Message
from usage.models import UsageRecord


def take_correction(correction: UsageRecord) -> None:
    """Of a reply, in the transaction that records it (settings.CORRECTION_TAKER). What
    has been deleted since follows nothing."""
    changes = {
        name: F(name) + getattr(correction, name)
        for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    }
    if correction.cost is not None:
        changes["cost"] = Coalesce("cost", Decimal(0)) + correction.cost
    # Before its message, as everybody locks them.
    Conversation.objects.filter(pk=correction.conversation_id).update(
        total_tokens=F("total_tokens") + correction.total_tokens
    )
    Message.objects.filter(pk=correction.message_id).update(**changes)
