"""A tenant for mixed turns, and its accounts counted again: what the provider sent,
the ledger, the sums, the budgets, the messages and the conversations. All of it in the
scope of the tenant."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from agents.models import Agent, Provider
from agents.services import create_agent, update_agent
from chat.models import ChatSettings, Conversation, Message, Turn
from llm.events import Usage
from tests.chat.mixture import DOWN, UP, CountingProvider, meant
from tests.factories import STAND_IN
from usage.models import (
    Budget,
    BudgetPeriod,
    DailyUsage,
    MonthlyUsage,
    PriceRule,
    UsageRecord,
)
from usage.services.budgets import save_budget
from usage.services.rebuilding import differences


def furnish() -> None:
    """The stand-in is the provider already; here come agents, prices, titles, and
    budgets that apply and are not used up."""
    Provider.objects.filter(name=STAND_IN).update(model_names=[UP, DOWN])
    up, down = f"{STAND_IN}/{UP}", f"{STAND_IN}/{DOWN}"
    agent = Agent.objects.get()
    update_agent(agent=agent, author=None, model=up, tools=["calculator"])
    create_agent(
        author=None,
        slug="fallback",
        name="Fallback",
        model=down,
        fallbacks=[up],
        published=True,
    )
    ChatSettings.objects.update_or_create(pk=1, defaults={"title_model": up})
    for model, price in ((up, "0.15"), (down, "3")):
        PriceRule.objects.create(
            model=model,
            input_per_million=Decimal(price),
            output_per_million=4 * Decimal(price),
            effective_from=timezone.now() - timedelta(1),
        )
    for period in Budget.Period.values:
        limit = {"scope": "tenant", "subject_id": None, "period": period}
        save_budget(budget=Budget(), **limit, limit_tokens=10**12, limit_cost=10**9)


def wait_until_counted() -> None:
    """Until no turn runs, and a title has been made for each that was completed: it is
    the first of its conversation. In the scope of the tenant."""
    deadline = time.monotonic() + 60
    titles = UsageRecord.objects.filter(kind="title")
    while Turn.objects.running().exists() or (
        titles.count() < Turn.objects.filter(status="done").count()
    ):
        assert time.monotonic() < deadline, "a title is missing"
        time.sleep(0.1)


def rows_by_turn() -> dict[int, list[UsageRecord]]:
    """The ledger, by the turns' numbers."""
    texts = Turn.objects.values_list("pk", "reply__parent__text")
    numbers = {turn: int(found[3]) for turn, text in texts if (found := meant(text))}
    rows: dict[int, list[UsageRecord]] = defaultdict(list)
    for row in UsageRecord.objects.all():
        rows[numbers[row.turn_id]].append(row)
    return rows


def compare(provider: CountingProvider) -> Iterator[str]:
    """Where the ledger differs from what the provider sent."""
    rows = rows_by_turn()
    for number, calls in provider.calls.items():
        kept, told = rows[number], provider.reported[number]
        exact = [_recorded(row) for row in kept if not _is_counted(row)]
        if len(kept) != calls:
            yield f"turn {number}: {calls} calls, {len(kept)} rows"
        if sorted(map(str, exact)) != sorted(map(str, told)):
            yield f"turn {number}: told {told}, not {exact}"


def recount() -> Iterator[str]:
    """Where anything else differs from the ledger."""
    for difference in differences():
        yield f"{difference.day}: {difference.what}"
    for whose in ("user", "agent", "model"):
        ledger_by = _by(UsageRecord.objects.all(), whose)
        for sums in (DailyUsage, MonthlyUsage):
            if _by(sums.objects.all(), whose) != ledger_by:
                yield f"{sums.__name__} by {whose}"
    ledger = UsageRecord.objects.aggregate(all=Sum("total_tokens"))["all"]
    for period in BudgetPeriod.objects.all():
        if (period.spent_tokens, period.reserved_tokens) != (ledger, 0):
            yield f"{period}: {period.spent_tokens}, {period.reserved_tokens} held"
    replies = UsageRecord.objects.exclude(kind="title")
    of_messages = _by(replies, "message_id")
    for message in Message.objects.filter(role="assistant"):
        if (message.total_tokens, message.cost or 0) != of_messages[message.pk]:
            yield f"message {message.pk}"
    of_conversations = _by(replies, "conversation_id")
    for conversation in Conversation.objects.all():
        if conversation.total_tokens != of_conversations[conversation.pk][0]:
            yield f"conversation {conversation.pk}"


def _by(rows: QuerySet[Any], field: str) -> dict[Any, tuple[int, Decimal]]:
    """Tokens and cost."""
    total, cost = Sum("total_tokens"), Sum("cost", default=Decimal(0))
    sums = rows.order_by().values_list(field).annotate(total, cost)
    return {key: (tokens, dollars) for key, tokens, dollars in sums}


def _is_counted(row: UsageRecord) -> bool:
    """By us, or of a refusal, which costs nothing."""
    return row.estimated or (row.status == "failed" and not row.total_tokens)


def _recorded(row: UsageRecord) -> Usage:
    return Usage(
        row.prompt_tokens,
        row.completion_tokens,
        row.cached_tokens,
        row.reasoning_tokens,
    )
