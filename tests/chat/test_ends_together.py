"""Turns that end at the same moment are stored in one transaction, each as if it were
alone."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from django.db import DatabaseError
from django.db.models.expressions import RawSQL

from chat.models import Conversation, Message, Turn
from chat.services.conversations import remove
from chat.services.finishing import TurnEnd, finish_turns
from chat.services.starting import start_turn
from chat.turns.codec import to_json
from chat.turns.events import Aborted
from chat.turns.plan import Send, Settled, TurnPlan
from chat.turns.storing import Storing
from llm.events import Usage
from tenants.db import entered
from tests.chat.talk import Talk
from tests.chat.test_budget_edges import ended, prices
from tests.chat.test_budgets import budget, period_of
from tests.factories import person
from usage.models import Reservation, UsageRecord
from usage.services.rebuilding import differences


def begun(talk: Talk, name: str = "member") -> TurnPlan:
    return start_turn(user=person(talk.tenant, name), send=Send(text="Hello"))


def end_of(plan: TurnPlan, usage: Usage) -> TurnEnd:
    return TurnEnd(
        plan=plan,
        outcome=ended(plan, usage),
        position=0,
        tail=lambda settled: to_json([Aborted("stopped")]),
    )


def test_each_of_several_ends_is_stored_and_counted_once(talk: Talk) -> None:
    everybodys = budget(talk, limit_tokens=100_000)
    ones = budget(talk, scope="user", limit_tokens=50_000)
    prices(talk, **{"some-model": (1_000, 1_000)})
    with entered(talk.tenant.scope):
        plans = [begun(talk), begun(talk, "owner"), begun(talk), begun(talk)]
        over, gone = plans[2:]
        assert finish_turns([end_of(over, Usage(7, 0))])[0]
        Turn.objects.filter(pk=gone.turn_id).update(status=Turn.Status.STOPPED)
        remove(conversation_id=gone.conversation_id, by=None)
        ends = [end_of(plan, Usage(100 * n, n)) for n, plan in enumerate(plans, 1)]
        settled = finish_turns(ends)
        assert [found and found.usage.total_tokens for found in settled] == [
            101,
            202,
            None,
            None,
        ]
        assert [found and found.cost for found in settled[:2]] == [
            Decimal("0.101"),
            Decimal("0.202"),
        ]
        for plan, tokens in zip(plans, (101, 202, 7), strict=False):
            reply = Message.objects.get(pk=plan.reply_id)
            assert (reply.text, reply.status) == ("Done.", "complete")
            assert reply.total_tokens == tokens
            assert reply.conversation.total_tokens == tokens
            assert reply.conversation.last_message_preview == "Done."
        # What the removed one used was paid for all the same.
        rows = UsageRecord.objects.values_list("turn_id", "total_tokens")
        assert sorted(tokens for _, tokens in rows) == [7, 101, 202, 404]
        assert not list(differences())
        assert not Reservation.objects.exists()
    assert period_of(talk, everybodys).spent_tokens == 7 + 101 + 202 + 404
    assert period_of(talk, ones).spent_tokens == 7 + 101 + 404


def stored(ends: list[TurnEnd]) -> list[Settled | BaseException | None]:
    async def store() -> list[Any]:
        storing = Storing()
        return await asyncio.gather(*map(storing.store, ends), return_exceptions=True)

    return asyncio.run(store())


def transactions() -> set[str]:
    """Those that wrote the ledger."""
    rows = UsageRecord.objects.annotate(written_by=RawSQL("xmin::text", ()))
    return set(rows.values_list("written_by", flat=True))


def test_what_ends_together_is_stored_together(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        results = stored([end_of(begun(talk), Usage(10, n)) for n in range(5)])
        assert all(isinstance(found, Settled) for found in results)
        assert len(transactions()) == 1
        assert Conversation.objects.filter(total_tokens__gte=10).count() == 5


def test_an_end_that_cannot_be_stored_costs_no_other_its_own(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        ends = [end_of(begun(talk), Usage(10, n)) for n in range(4)]
        ends.insert(2, end_of(begun(talk), Usage(2**40, 1)))
        results = stored(ends)
        assert isinstance(results.pop(2), DatabaseError)
        assert all(isinstance(found, Settled) for found in results)
        assert Turn.objects.running().count() == 1
        assert UsageRecord.objects.count() == 4
