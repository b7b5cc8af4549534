"""The end of turns: replies, usage records and counters in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from typing import Any

import orjson
from django.db import connection, transaction

from chat.models import PREVIEW_LENGTH, one_line
from chat.services.overtaking import overtake
from chat.services.progress import notify_all
from chat.services.settling import settle_calls
from chat.services.telling import listeners_of_all
from chat.turns.codec import storable
from chat.turns.plan import Call, Outcome, Settled, TurnPlan
from llm import tokens
from llm.events import Usage
from usage.pricing import cost_of
from usage.services import CallMade, record_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd:
    """How a turn ended. `tail` gives the events that its log still lacks, from number
    `position` on, the last one included."""

    plan: TurnPlan
    outcome: Outcome
    position: int
    tail: Callable[[Settled], list[list[Any]]]


class NotTogetherError(Exception):
    """Somebody ended one of these turns before; each is to be stored by itself."""


def finish_turns(ends: Sequence[TurnEnd]) -> list[Settled | None]:
    """Store how turns of the tenant in force ended, all or none; None for one that
    somebody ended before, which has to be alone: NotTogetherError.

    Counting tokens that the provider did not report happens before the transaction,
    which stays short.
    """
    counted = [_Counted.of(end) for end in ends]
    with transaction.atomic():
        titles = _end(counted)
        if len(titles) == len(counted):
            _tell(counted)
        elif len(counted) > 1:
            # Correcting one locks rows for which another end's may be waited for.
            raise NotTogetherError
        elif _overtake(*counted):
            return [None]
        # Last, because many wait for the rows these lock.
        _account(counted)
    if not titles:
        return [None]
    return [
        replace(each.settled, title_model=titles[each.end.plan.turn_id])
        for each in counted
    ]


@dataclass(frozen=True, slots=True)
class _Counted:
    """An end whose calls are counted; `usage` and `cost` are this turn's alone,
    `settled` what readers are told: of the whole reply, earlier turns included."""

    end: TurnEnd
    calls: Sequence[tuple[Call, Usage]]
    usage: Usage
    cost: Decimal | None
    settled: Settled

    @classmethod
    def of(cls, end: TurnEnd) -> _Counted:
        calls = [(call, _used(call, end.outcome)) for call in end.outcome.calls]
        usage = whole = reduce(_plus, (used for _, used in calls), Usage(0, 0))
        cost = total = _cost(calls)
        if spent := end.plan.spent:
            whole = _plus(spent.usage, usage)
            earlier = spent.cost
            total = None if cost is None or earlier is None else earlier + cost
        return cls(end, calls, usage, cost, Settled(whole, total, title_model=""))


def _overtake(counted: _Counted) -> bool:
    end = counted.end
    return overtake(end.plan, end.outcome, usage=counted.usage, cost=counted.cost)


def _account(counted: Sequence[_Counted]) -> None:
    record_calls(*(made for each in counted for made in _calls_made(each)))
    settle_calls(*(each.end.plan.subject for each in counted))


def _calls_made(counted: _Counted) -> Iterator[CallMade]:
    """One for each call of the model; an idle one where none was made."""
    outcome, subject = counted.end.outcome, counted.end.plan.subject
    if not counted.calls:
        yield CallMade(
            subject=subject,
            usage=Usage(0, 0),
            price=counted.end.plan.grant.price,
            status=outcome.status,
            duration_ms=outcome.duration_ms,
        )
    for number, (call, usage) in enumerate(counted.calls):
        status = outcome.status if number == len(counted.calls) - 1 else "done"
        yield CallMade(
            subject=replace(subject, model=call.model),
            usage=usage,
            price=call.price,
            status="failed" if call.failed else status,
            ttft_ms=call.ttft_ms,
            duration_ms=call.duration_ms,
            call=number,
            model_answered=storable(call.model_answered),
        )


# Turns, replies, conversations and logs by one statement: with the ORM it is five for
# each turn, and a hundred may end at the same moment. They are given as one JSON text,
# since the driver would quote each value by itself. Nothing happens to a turn that does
# not run any more. Conversations are locked in one order everywhere.
_END = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS given(
        turn text, reply text, conversation text, status text, error_code text,
        first_token_at timestamptz, parts jsonb, goes_on boolean, text text,
        reply_status text, model text, reason text, prompt_tokens integer,
        completion_tokens integer, total_tokens integer, estimated boolean,
        cost numeric, preview text, position integer, events jsonb
    )
), locked AS MATERIALIZED (
    SELECT c.id FROM chat_conversation c
    WHERE c.id IN (SELECT conversation FROM given) ORDER BY c.id FOR NO KEY UPDATE
), ended AS (
    UPDATE chat_turn SET status = given.status, error_code = given.error_code,
        finished_at = now(),
        first_token_at = COALESCE(given.first_token_at, chat_turn.first_token_at)
    FROM given JOIN locked ON locked.id = given.conversation
    WHERE chat_turn.id = given.turn AND chat_turn.status IN ('pending', 'streaming')
    RETURNING given.*
), replied AS (
    UPDATE chat_message SET parts = ended.parts, text = ended.text,
        status = ended.reply_status, model = ended.model,
        error_code = ended.error_code, finish_reason = ended.reason,
        prompt_tokens = chat_message.prompt_tokens + ended.prompt_tokens,
        completion_tokens = chat_message.completion_tokens + ended.completion_tokens,
        total_tokens = chat_message.total_tokens + ended.total_tokens,
        estimated = chat_message.estimated OR ended.estimated,
        cost = CASE WHEN ended.goes_on THEN chat_message.cost + ended.cost
                    ELSE ended.cost END
    FROM ended WHERE chat_message.id = ended.reply
), logged AS (
    INSERT INTO chat_turnlogentry (turn_id, position, "end", events, created_at)
    SELECT turn, position, position + jsonb_array_length(events), events, now()
    FROM ended
)
UPDATE chat_conversation SET
    total_tokens = chat_conversation.total_tokens + ended.total_tokens,
    last_message_at = now(), updated_at = now(),
    last_message_preview = COALESCE(ended.preview, last_message_preview)
FROM ended WHERE chat_conversation.id = ended.conversation
RETURNING ended.turn, COALESCE((
    SELECT title_model FROM chat_chatsettings
    WHERE title_set_at IS NULL AND message_count <= %s
), '')
"""
# A first reply comes within the first turns: later ones need not be looked at.
_FEW_MESSAGES = 6


def _end(counted: Sequence[_Counted]) -> dict[str, str]:
    """The turns that ran until now, each with the model that may make a title."""
    given = orjson.dumps([_row(each) for each in counted]).decode()
    with connection.cursor() as cursor:
        cursor.execute(_END, [given, _FEW_MESSAGES])
        return dict(cursor.fetchall())


def _row(counted: _Counted) -> dict[str, Any]:
    end, usage, cost = counted.end, counted.usage, counted.cost
    plan, outcome = end.plan, end.outcome
    text = storable(outcome.text)
    return {
        "turn": plan.turn_id,
        "reply": plan.reply_id,
        "conversation": plan.conversation_id,
        "status": outcome.status,
        "error_code": outcome.error_code,
        "first_token_at": outcome.first_token_at,
        "parts": outcome.parts,
        "goes_on": plan.spent is not None,
        "text": text,
        "reply_status": outcome.reply_status,
        "model": plan.model,
        "reason": outcome.reason or "",
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "estimated": usage.estimated,
        "cost": None if cost is None else str(cost),
        "preview": one_line(text, PREVIEW_LENGTH) if text.strip() else None,
        "position": end.position,
        "events": end.tail(counted.settled),
    }


def _tell(ended: Sequence[_Counted]) -> None:
    plans = [each.end.plan for each in ended]
    listeners = listeners_of_all([plan.conversation_id for plan in plans])
    notify_all(
        "ended",
        [
            {
                "turn": each.end.plan.turn_id,
                "conversation": each.end.plan.conversation_id,
                "message": each.end.plan.reply_id,
                "status": each.end.outcome.status,
                **listeners[each.end.plan.conversation_id],
            }
            for each in ended
        ],
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
