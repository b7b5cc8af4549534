"""The end of a turn that somebody else has ended before: its process was taken for
dead, or its conversation was removed under it."""

from __future__ import annotations

from decimal import Decimal

from chat.models import Message, Turn
from chat.services.settling import settle_calls
from chat.turns.codec import storable
from chat.turns.plan import Outcome, TurnPlan
from chat.turns.worker import worker_name
from llm.events import Usage
from usage.models import UsageRecord
from usage.models.ledger import TOKENS
from usage.services import record_correction


def overtake(
    plan: TurnPlan, outcome: Outcome, *, usage: Usage, cost: Decimal | None
) -> bool:
    """What we have is the longer text and the better count, and neither must be lost.
    False for a turn that is gone, uncounted. Call it in the transaction that ends it.
    """
    ours = Turn.objects.filter(
        pk=plan.turn_id, status=Turn.Status.INTERRUPTED, worker=worker_name()
    )
    if ours.update(status=outcome.status, error_code=outcome.error_code):
        Message.objects.filter(pk=plan.reply_id).update(
            parts=outcome.parts,
            text=storable(outcome.text),
            status=outcome.reply_status,
            model=plan.model,
            error_code=outcome.error_code,
            finish_reason=outcome.reason or "",
        )
        _correct(plan, usage, cost)
    recorded = UsageRecord.objects.filter(turn_id=plan.turn_id)
    return Turn.objects.filter(pk=plan.turn_id).exists() or recorded.exists()


def _correct(plan: TurnPlan, usage: Usage, cost: Decimal | None) -> None:
    """The ledger has an estimate of what we know better by now."""
    *earlier, last = UsageRecord.objects.filter(
        turn_id=plan.turn_id, kind=UsageRecord.Kind.REPLY
    ).order_by("call")
    recorded = [*earlier, last]
    changes = {}
    for name in TOKENS:
        if name != "total_tokens":
            known = sum(getattr(record, name) for record in recorded)
            change = getattr(usage, name) - known
            changes[name] = max(change, -getattr(last, name))
    dearer = None
    if cost is not None:
        dearer = cost - sum((record.cost or 0) for record in recorded)
    if not dearer and not any(changes.values()):
        return
    Message.objects.filter(pk=plan.reply_id).update(
        estimated=usage.estimated or bool(plan.spent and plan.spent.usage.estimated)
    )
    note = "Its process had been taken for dead."
    record_correction(record=last, note=note, cost=dearer, **changes)
    settle_calls(plan.subject)
