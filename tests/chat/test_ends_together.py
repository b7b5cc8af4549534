"""Turns that end at the same moment are stored in one transaction, each as if it were
alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models.expressions import RawSQL

from chat.models import Conversation, Message, Turn
from chat.services import indexing
from chat.services.conversations import remove
from chat.services.finishing import NotTogetherError, TurnEnd, finish_turns
from chat.turns import storing
from chat.turns.codec import to_json
from chat.turns.events import Aborted
from chat.turns.plan import Settled, TurnPlan
from chat.turns.storing import Storing
from llm.events import Usage
from tenants.db import Scope, entered, scope, unit
from tests.chat.talk import Talk
from tests.chat.test_budget_edges import prices
from tests.chat.test_budgets import budget, period_of, wait_for_a_lock
from tests.chat.unattended import begun, ended, take_for_dead
from tests.factories import person
from usage.models import Budget, BudgetPeriod, Reservation, UsageRecord
from usage.services import record_correction
from usage.services.budgets import save_budget
from usage.services.rebuilding import differences


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
        first, second, *others = stored(ends)
        assert isinstance(first, Settled)
        assert isinstance(second, Settled)
        assert others == [None, None]
        assert (first.usage.total_tokens, first.cost) == (101, Decimal("0.101"))
        assert (second.usage.total_tokens, second.cost) == (202, Decimal("0.202"))
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


def test_words_of_what_ended_are_sorted_in_once_soon_after(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_SORT_IN_AFTER", 0.2)
    sorted_in: list[Scope] = []
    monkeypatch.setattr(storing, "sort_in", lambda: sorted_in.append(scope()))

    async def store(ends: list[TurnEnd]) -> None:
        storing = Storing()
        await asyncio.gather(*map(storing.store, ends))
        while storing._tasks:
            await asyncio.wait(storing._tasks)

    with entered(talk.tenant.scope):
        asyncio.run(store([end_of(begun(talk), Usage(10, n)) for n in range(3)]))
    assert sorted_in == [talk.tenant.scope]


def test_new_words_wait_until_they_are_sorted_in(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        for _ in range(20):  # a live server sorts in, too
            stored([end_of(begun(talk), Usage(10, 1))])
            if any(pages_waiting()):
                break
        else:
            raise AssertionError("all words were sorted in as they came")
        indexing.sort_in()
        assert not any(pages_waiting())


def pages_waiting() -> list[int]:
    """Of the messages' indexes of search: what is not sorted in."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA extensions")
        cursor.execute(
            "SELECT (extensions.pgstatginindex(name::regclass)).pending_pages"
            " FROM unnest(ARRAY['message_search', 'message_pairs']) AS name"
        )
        return [pages for (pages,) in cursor.fetchall()]


def test_an_end_that_cannot_be_stored_costs_no_other_its_own(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        ends = [end_of(begun(talk), Usage(10, n)) for n in range(4)]
        ends.insert(2, end_of(begun(talk), Usage(2**40, 1)))
        results = stored(ends)
        assert isinstance(results.pop(2), DatabaseError)
        assert all(isinstance(found, Settled) for found in results)
        assert Turn.objects.running().count() == 1
        assert UsageRecord.objects.count() == 4


def test_what_is_long_is_stored_by_itself(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_MOST_CHARACTERS", 100)
    thought = {"type": "reasoning", "text": "Hm. " * 20}
    with entered(talk.tenant.scope):
        ends = [end_of(begun(talk), Usage(10, n)) for n in range(4)]
        for number in (1, 2):
            outcome = replace(ends[number].outcome, parts=[thought])
            ends[number] = replace(ends[number], outcome=outcome)
        assert all(isinstance(found, Settled) for found in stored(ends))
        assert len(transactions()) == 2


def test_one_that_was_overtaken_makes_no_other_wait(
    talk: Talk, database_url: str
) -> None:
    """Correcting it would lock the budgets of its author before those of the other's,
    and ends lock them the other way round."""
    ones = budget(talk, scope="user", limit_tokens=100_000)
    with entered(talk.tenant.scope), ThreadPoolExecutor(2) as pool:
        owner = person(talk.tenant, "owner").pk
        save_budget(
            budget=Budget(),
            **{"scope": "user", "subject_id": owner},
            **{"period": "day", "limit_tokens": 100_000},
        )
        taken = begun(talk, "owner")
        take_for_dead(taken.turn_id)
        mixed = [end_of(taken, Usage(500, 70)), end_of(begun(talk), Usage(10, 1))]
        both = [end_of(begun(talk, name), Usage(10, 1)) for name in ("member", "owner")]

        def finished(ends: list[TurnEnd]) -> list[Settled | None]:
            return asyncio.run(unit(talk.tenant.scope, finish_turns, ends))

        with transaction.atomic():
            list(BudgetPeriod.objects.select_for_update().filter(budget=ones))
            one = pool.submit(finished, both)
            wait_for_a_lock(database_url)
            other = pool.submit(finished, mixed)
            wait([other], timeout=1)
        assert all(one.result())
        assert isinstance(other.exception(), NotTogetherError)
        rest = stored(mixed)
        assert rest[0] is None
        assert isinstance(rest[1], Settled)
        rows = UsageRecord.objects.filter(turn_id=taken.turn_id)
        assert sum(row.total_tokens for row in rows) == 570
        assert not list(differences())


def test_where_the_database_goes_down_none_is_tried_by_itself(
    talk: Talk, database_url: str
) -> None:
    with entered(talk.tenant.scope), ThreadPoolExecutor(1) as pool:
        plans = [begun(talk) for _ in range(3)]
        ends = [end_of(plan, Usage(10, 1)) for plan in plans]
        with transaction.atomic():
            chat = plans[0].conversation_id
            list(Conversation.objects.select_for_update().filter(pk=chat))
            storing_them: Future[Any] = pool.submit(stored, ends)
            wait_for_a_lock(database_url)
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            found = storing_them.result(timeout=10)
        assert all(isinstance(error, OperationalError) for error in found)
        assert Turn.objects.running().count() == 3
        assert all(stored(ends))


def test_a_correction_locks_in_the_order_of_an_end(
    talk: Talk, database_url: str
) -> None:
    """Of a reply that goes on meanwhile."""
    with entered(talk.tenant.scope), ThreadPoolExecutor(1) as pool:
        plan = begun(talk)
        assert all(stored([end_of(plan, Usage(10, 1))]))
        record = UsageRecord.objects.get()

        def correct() -> UsageRecord:
            fields: Any = {"record": record, "note": "Too little.", "prompt_tokens": 5}
            return asyncio.run(unit(talk.tenant.scope, record_correction, **fields))

        with transaction.atomic():
            chat = plan.conversation_id
            list(Conversation.objects.select_for_update().filter(pk=chat))
            correcting = pool.submit(correct)
            wait_for_a_lock(database_url)
            Message.objects.filter(pk=plan.reply_id).update(estimated=True)
        assert correcting.result().prompt_tokens == 5
        assert Message.objects.get(pk=plan.reply_id).total_tokens == 16
