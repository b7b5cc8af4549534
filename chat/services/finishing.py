"""The end of a turn: reply, usage record and counters in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
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
from chat.services.telling import listeners_of
from chat.turns.codec import storable
from chat.turns.plan import Outcome, Settled, TurnPlan
from chat.turns.worker import worker_name
from llm import tokens
from llm.events import Usage
from usage.pricing import cost_of
from usage.services import Alert, Subject, record_call, settle

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
    usage = outcome.usage if outcome.usage is not None else _count(plan, outcome)
    cost = cost_of(usage, plan.grant.price)
    with transaction.atomic():
        title_model = _end(plan, outcome, usage, cost)
        if title_model is None:
            _overtake(plan, outcome)
            return None
        subject = _subject(plan)
        settled = Settled(usage, cost, title_model)
        _close_log(plan, outcome, position, tail(settled))
        # Last, because many wait for the rows these lock.
        record_call(
            subject=subject,
            usage=usage,
            price=plan.grant.price,
            status=outcome.status,
            ttft_ms=outcome.ttft_ms,
            duration_ms=outcome.duration_ms,
            model_answered=storable(outcome.model_answered),
        )
        for alert in settle(subject=subject):
            _tell(plan, alert)
        return settled


def _tell(plan: TurnPlan, alert: Alert) -> None:
    """Whom it concerns, at the commit: everybody's open pages are in some process."""
    notify(
        "budget",
        plan.turn_id,
        users=list(alert.user_ids),
        scope=alert.scope,
        period=alert.period,
        percent=alert.percent,
        text=alert.sentence,
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
        finish_reason = %(reason)s, prompt_tokens = %(prompt_tokens)s,
        completion_tokens = %(completion_tokens)s, total_tokens = %(total_tokens)s,
        estimated = %(estimated)s, cost = %(cost)s
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
        "parts": Jsonb(_parts(outcome)),
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


def _overtake(plan: TurnPlan, outcome: Outcome) -> None:
    """We were taken for dead and our turn was ended for us: what we have is the longer
    text, and it must not be lost. The count stays the estimate that was recorded."""
    ours = Turn.objects.filter(
        pk=plan.turn_id, status=Turn.Status.INTERRUPTED, worker=worker_name()
    )
    if not ours.update(status=outcome.status, error_code=outcome.error_code):
        return
    Message.objects.filter(pk=plan.reply_id).update(
        parts=_parts(outcome),
        text=storable(outcome.text),
        status=_REPLY_STATUS[outcome.status],
        model=plan.model,
        error_code=outcome.error_code,
        finish_reason=outcome.reason or "",
    )


def _parts(outcome: Outcome) -> list[dict[str, str]]:
    parts = []
    if outcome.reasoning:
        parts.append({"type": "reasoning", "text": storable(outcome.reasoning)})
    if outcome.text:
        parts.append({"type": "text", "text": storable(outcome.text)})
    return parts


def _close_log(
    plan: TurnPlan, outcome: Outcome, position: int, rows: list[list[Any]]
) -> None:
    TurnLogEntry.objects.create(
        turn_id=plan.turn_id,
        position=position,
        end=position + len(rows),
        events=rows,
    )
    notify(
        "ended",
        plan.turn_id,
        conversation=plan.conversation_id,
        message=plan.reply_id,
        status=outcome.status,
        **listeners_of(plan.conversation_id),
    )


def _count(plan: TurnPlan, outcome: Outcome) -> Usage:
    """What a turn used that ended before the provider could say."""
    if plan.prompt is None or _never_answered(plan, outcome):
        return Usage(prompt_tokens=0, completion_tokens=0)
    written = outcome.reasoning + outcome.text[len(plan.partial) :]
    return tokens.estimate_usage(plan.prompt.messages, written, plan.prompt.model)


def _never_answered(plan: TurnPlan, outcome: Outcome) -> bool:
    """A failure before the first token: providers do not charge for refusals."""
    wrote = len(outcome.text) > len(plan.partial) or outcome.reasoning
    return outcome.status == "failed" and not wrote
