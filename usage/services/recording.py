"""Writes of the ledger. Called inside the transaction that ends a turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from llm.client import Prompt
from llm.events import Usage
from tenants.rows import insert_together
from usage.models import UsageRecord
from usage.models.ledger import TOKENS
from usage.pricing import UnitPrice, cost_of
from usage.services.prices import price_for
from usage.services.rolling import roll_up

_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who and what a call is charged to. `model` is the one asked, as
    `<provider name>/<model>`; `api_key_id` None when a page asked."""

    user_id: int
    agent_id: int | None
    model: str
    turn_id: str
    conversation_id: str = ""
    message_id: str = ""
    api_key_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """What is to be recorded of a call; `call` counts those of one kind in a turn from
    0, `status` is of UsageRecord.Status."""

    subject: Subject
    usage: Usage
    price: UnitPrice | None
    status: str
    duration_ms: int
    ttft_ms: int | None = None
    kind: str = UsageRecord.Kind.REPLY
    call: int = 0
    model_answered: str = ""


@transaction.atomic(savepoint=False)
def record_calls(*calls: CallMade) -> list[UsageRecord]:
    """A row for each, at its price; a second one for the same call of a turn fails with
    IntegrityError. In the same transaction the roll-ups and what is spent of the
    budgets follow."""
    records = [_record(made) for made in calls]
    insert_together(*records)
    roll_up(records)
    return records


def _record(made: CallMade) -> UsageRecord:
    subject, usage, price = made.subject, made.usage, made.price
    return UsageRecord(
        user_id=subject.user_id,
        agent_id=subject.agent_id,
        api_key_id=subject.api_key_id,
        kind=made.kind,
        model=subject.model,
        model_answered=made.model_answered[:201],
        conversation_id=subject.conversation_id,
        message_id=subject.message_id,
        turn_id=subject.turn_id,
        call=made.call,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        total_tokens=usage.total_tokens,
        input_price=price and price.input,
        cached_input_price=price and price.cached_input,
        output_price=price and price.output,
        reasoning_price=price and price.reasoning,
        cost=cost_of(usage, price),
        estimated=usage.estimated,
        status=made.status,
        ttft_ms=made.ttft_ms,
        duration_ms=made.duration_ms,
    )


def record_test(
    *,
    user_id: int,
    api_key_id: int | None,
    model: str,
    prompt: Prompt,
    usage: Usage,
    failed: bool,
    duration_ms: int,
) -> None:
    """A call by which an admin tested a provider (settings.TEST_RECORDER)."""
    status = UsageRecord.Status.FAILED if failed else UsageRecord.Status.DONE
    made = CallMade(
        subject=Subject(
            user_id=user_id,
            agent_id=None,
            api_key_id=api_key_id,
            model=model,
            turn_id=uuid4().hex,
        ),
        usage=usage,
        price=price_for(model=model, prompt=prompt, at=timezone.now()),
        kind=UsageRecord.Kind.TEST,
        status=status,
        duration_ms=duration_ms,
    )
    record_calls(made)


@transaction.atomic
def record_correction(
    *,
    record: UsageRecord,
    note: str,
    cost: Decimal | None = None,
    **tokens: int,
) -> UsageRecord:
    """A row that is added to `record`'s: differences, which may be negative.

    `tokens` are those of models.ledger.TOKENS but the total, which follows; `cost` in
    US dollars. A reply's message and conversation follow (settings.CORRECTION_TAKER).
    Raises django's ValidationError for a correction of nothing, and where the call
    would have used less than nothing.
    """
    note = note.strip()[:200]
    if not note:
        raise ValidationError({"note": "Say why."})
    if not cost and not any(tokens.values()):
        raise ValidationError("A correction changes something.")
    changes = dict.fromkeys(TOKENS, 0) | tokens
    changes["total_tokens"] = changes["prompt_tokens"] + changes["completion_tokens"]
    # Two corrections of one turn at once take their numbers one after the other.
    turn = UsageRecord.objects.filter(turn_id=record.turn_id)
    rows = list(turn.select_for_update().order_by("pk"))
    first = next(row for row in rows if row.pk == (record.corrects_id or record.pk))
    corrected = [first, *(row for row in rows if row.corrects_id == first.pk)]
    for name, change in changes.items():
        if not 0 <= sum(getattr(row, name) for row in corrected) + change <= _LARGEST:
            raise ValidationError({name: "A call uses from nothing to 2**31 tokens."})
    number = sum(row.kind == UsageRecord.Kind.CORRECTION for row in rows)
    made = UsageRecord.objects.create(
        user_id=first.user_id,
        agent_id=first.agent_id,
        api_key_id=first.api_key_id,
        kind=UsageRecord.Kind.CORRECTION,
        model=first.model,
        model_answered=first.model_answered,
        conversation_id=first.conversation_id,
        message_id=first.message_id,
        turn_id=first.turn_id,
        call=number,
        **changes,
        cost=cost if cost is not None else None if first.cost is None else Decimal(0),
        estimated=False,
        status=first.status,
        duration_ms=0,
        corrects=first,
        note=note,
    )
    if first.kind == UsageRecord.Kind.REPLY:
        take: Callable[[UsageRecord], None] = import_string(settings.CORRECTION_TAKER)
        take(made)
    # Last, because many wait for the rows it locks.
    roll_up([made])
    return made
