"""Writes of the ledger. Called inside the transaction that ends a turn."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from llm import catalogue
from llm.client import Endpoint
from llm.events import Usage
from usage.models import UsageRecord


@dataclass(frozen=True, slots=True)
class Subject:
    """Who and what a call is charged to."""

    user_id: int
    agent_id: int
    model: str
    conversation_id: str
    message_id: str
    turn_id: str


def price_of(endpoint: Endpoint | None, model: str, usage: Usage) -> Decimal | None:
    """What `usage` costs in US dollars; None where no price is known.

    Without an endpoint nothing was called, which costs nothing.
    """
    if endpoint is None:
        return Decimal(0)
    return catalogue.cost(endpoint.provider, model, usage)


def cost_text(cost: Decimal | None) -> str | None:
    """A cost as every answer of ours has it: exact, no exponent, no idle zeros."""
    return None if cost is None else f"{cost.normalize():f}"


def record_call(
    *,
    subject: Subject,
    usage: Usage,
    cost: Decimal | None,
    status: str,
    ttft_ms: int | None,
    duration_ms: int,
) -> UsageRecord:
    """One row; the unique turn id makes a second one for the same turn fail."""
    return UsageRecord.objects.create(
        user_id=subject.user_id,
        agent_id=subject.agent_id,
        model=subject.model,
        conversation_id=subject.conversation_id,
        message_id=subject.message_id,
        turn_id=subject.turn_id,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        total_tokens=usage.total_tokens,
        cost=cost,
        estimated=usage.estimated,
        status=status,
        ttft_ms=ttft_ms,
        duration_ms=duration_ms,
    )
