"""The end of a turn: reply, usage record and counters in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Any

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from chat.models import (
    PREVIEW_LENGTH,
    Message,
    Turn,
    TurnLogEntry,
    one_line,
)
from chat.services.progress import notify
from chat.services.settling import settle_call
from chat.services.telling import listeners_of
from chat.turns.codec import storable
from chat.turns.plan import Call, Outcome, Settled, TurnPlan
from chat.turns.worker import worker_name
from llm import tokens
from llm.events import Usage
from tenants.rows import insert_together
from usage.models import UsageRecord
from usage.models.ledger import TOKENS
from usage.pricing import UnitPrice, cost_of
from usage.services import Subject, record_call, record_correction

_REPLY_STATUS = {
    "done": Message.Status.COMPLETE,
    "stopped": Message.Status.STOPPED,
    "failed": Message.Status.FAILED,
    "interrupted": Message.Status.INTERRUPTED,
}


def finish_turn(
    *,
    plan: TurnPlan,
    outcome: Outcome,
    position: int,
    tail: Callable[[Settled], list[list[Any]]],
) -> Settled | None:
    """Store how a turn ended, once: None if somebody ended it before.

    `tail` gives the events that its log still lacks, from number `position` on, the
    last one included. Counting tokens the provider did not report happens before the
    transaction, which stays short.
    """
    calls = [(call, _used(call, outcome)) for call in outcome.calls]
    usage = reduce(_plus, (used for _, used in calls), Usage(0, 0))
    cost = _cost(calls)
    with transaction.atomic():
        title_model = _end(plan, outcome, usage, cost)
        if title_model is None:
            _overtake(plan, outcome, usage, cost)
            if not _is_known(plan.turn_id):
                _account(plan, outcome, calls)
            return None
        settled = _with_earlier(plan, usage, cost, title_model)
        _close_log(plan, outcome, position, tail(settled))
        # Last, because many wait for the rows these lock.
        _account(plan, outcome, calls)
        return settled


def _account(
    plan: TurnPlan, outcome: Outcome, calls: Sequence[tuple[Call, Usage]]
) -> None:
    subject = _subject(plan)
    _record(outcome, plan.grant.price, subject, calls)
    settle_call(subject)


def _is_known(turn_id: str) -> bool:
    """False for a turn whose conversation was removed under it, uncounted."""
    recorded = UsageRecord.objects.filter(turn_id=turn_id)
    return Turn.objects.filter(pk=turn_id).exists() or recorded.exists()


def _record(
    outcome: Outcome,
    price: UnitPrice | None,
    subject: Subject,
    calls: Sequence[tuple[Call, Usage]],
) -> None:
    """A row for each call of the model; an idle one where none was made."""
    if not calls:
        record_call(
            subject=subject,
            usage=Usage(0, 0),
            price=price,
            status=outcome.status,
            ttft_ms=None,
            duration_ms=outcome.duration_ms,
        )
    for number, (call, usage) in enumerate(calls):
        status = outcome.status if number == len(calls) - 1 else "done"
        record_call(
            subject=replace(subject, model=call.model),
            usage=usage,
            price=call.price,
            status="failed" if call.failed else status,
            ttft_ms=call.ttft_ms,
            duration_ms=call.duration_ms,
            call=number,
            model_answered=storable(call.model_answered),
        )


def _subject(plan: TurnPlan) -> Subject:
    return Subject(
        user_id=plan.user_id,
        api_key_id=plan.api_key_id,
        agent_id=plan.agent_id,
        model=plan.model,
        conversation_id=plan.conversation_id,
        message_id=plan.reply_id,
        turn_id=plan.turn_id,
    )


# Turn, reply and conversation by one statement: with the ORM it is four, and a hundred
# turns may end at the same moment. Nothing happens when the turn does not run any more.
_END = """
WITH ended AS (
    UPDATE chat_turn SET status = %(status)s, error_code = %(error_code)s,
        finished_at = now(),
        first_token_at = COALESCE(%(first_token_at)s::timestamptz, first_token_at)
    WHERE id = %(turn)s AND status IN ('pending', 'streaming')
    RETURNING id
), reply AS (
    UPDATE chat_message SET parts = %(parts)s, text = %(text)s,
        status = %(reply_status)s, model = %(model)s, error_code = %(error_code)s,
        finish_reason = %(reason)s,
        prompt_tokens = chat_message.prompt_tokens + %(prompt_tokens)s,
        completion_tokens = chat_message.completion_tokens + %(completion_tokens)s,
        total_tokens = chat_message.total_tokens + %(total_tokens)s,
        estimated = chat_message.estimated OR %(estimated)s,
        cost = CASE WHEN %(goes_on)s THEN chat_message.cost + %(cost)s ELSE %(cost)s END
    FROM ended WHERE chat_message.id = %(reply)s
)
UPDATE chat_conversation SET total_tokens = total_tokens + %(total_tokens)s,
    last_message_at = now(), updated_at = now(),
    last_message_preview = COALESCE(%(preview)s, last_message_preview)
FROM ended WHERE chat_conversation.id = %(conversation)s
RETURNING COALESCE((
    SELECT title_model FROM chat_chatsettings
    WHERE title_set_at IS NULL AND message_count <= %(few)s
), '')
"""
# A first reply comes within the first turns: later ones need not be looked at.
_FEW_MESSAGES = 6


def _end(
    plan: TurnPlan, outcome: Outcome, usage: Usage, cost: Decimal | None
) -> str | None:
    """The model that may make a title; None if the turn was ended before."""
    text = storable(outcome.text)
    values: dict[str, Any] = {
        "turn": plan.turn_id,
        "reply": plan.reply_id,
        "conversation": plan.conversation_id,
        "status": outcome.status,
        "reply_status": _REPLY_STATUS[outcome.status],
        "model": plan.model,
        "error_code": outcome.error_code,
        "first_token_at": outcome.first_token_at,
        "parts": Jsonb(outcome.parts),
        "goes_on": plan.spent is not None,
        "text": text,
        "reason": outcome.reason or "",
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "estimated": usage.estimated,
        "cost": cost,
        "few": _FEW_MESSAGES,
        "preview": one_line(text, PREVIEW_LENGTH) if text.strip() else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_END, values)
        row = cursor.fetchone()
    return row[0] if row else None


def _overtake(
    plan: TurnPlan, outcome: Outcome, usage: Usage, cost: Decimal | None
) -> None:
    """We were taken for dead and our turn was ended for us: what we have is the longer
    text and the better count, and neither must be lost."""
    ours = Turn.objects.filter(
        pk=plan.turn_id, status=Turn.Status.INTERRUPTED, worker=worker_name()
    )
    if not ours.update(status=outcome.status, error_code=outcome.error_code):
        return
    Message.objects.filter(pk=plan.reply_id).update(
        parts=outcome.parts,
        text=storable(outcome.text),
        status=_REPLY_STATUS[outcome.status],
        model=plan.model,
        error_code=outcome.error_code,
        finish_reason=outcome.reason or "",
    )
    _correct(plan, usage, cost)


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
    settle_call(_subject(plan))


def _close_log(
    plan: TurnPlan, outcome: Outcome, position: int, rows: list[list[Any]]
) -> None:
    insert_together(
        TurnLogEntry(
            turn_id=plan.turn_id,
            position=position,
            end=position + len(rows),
            events=rows,
        )
    )
    notify(
        "ended",
        plan.turn_id,
        conversation=plan.conversation_id,
        message=plan.reply_id,
        status=outcome.status,
        **listeners_of(plan.conversation_id),
    )


def _used(call: Call, outcome: Outcome) -> Usage:
    if call.usage is not None:
        return call.usage
    # A failure before the first token: providers do not charge for refusals.
    is_refusal = (call.failed or outcome.status == "failed") and not call.written
    prompt = call.prompt
    if prompt is None or is_refusal:
        return Usage(0, 0)
    return tokens.estimate_usage(
        prompt.messages, call.written, prompt.model, prompt.tools
    )


def _cost(calls: Sequence[tuple[Call, Usage]]) -> Decimal | None:
    """As the ledger's rows add up; None where one of them has no known price."""
    costs = [cost_of(usage, call.price) for call, usage in calls]
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def _plus(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.cached_tokens + other.cached_tokens,
        one.reasoning_tokens + other.reasoning_tokens,
        one.estimated or other.estimated,
    )


def _with_earlier(
    plan: TurnPlan, usage: Usage, cost: Decimal | None, title_model: str
) -> Settled:
    """What readers are told is of the whole reply, earlier turns included."""
    if plan.spent is not None:
        usage = _plus(plan.spent.usage, usage)
        earlier = plan.spent.cost
        cost = None if cost is None or earlier is None else earlier + cost
    return Settled(usage, cost, title_model)
