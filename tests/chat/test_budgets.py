"""Budgets on live servers: never overspent at once, and what fits goes through."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import ApiKey
from agents.models import Agent
from agents.models import Provider as ProviderRow
from chat.models import Conversation, Message, Turn
from chat.services.starting import start_turn
from chat.turns.plan import Send
from tenants.db import entered
from tests.chat.talk import CHAT, Talk
from tests.chat.unattended import take_for_dead
from tests.factories import STAND_IN, person, point_agent
from tests.provider import Answer
from tests.servers import LiveServer
from usage.models import (
    Budget,
    BudgetPeriod,
    DailyUsage,
    PriceRule,
    Reservation,
    UsageRecord,
)
from usage.services.budgets import save_budget


def budget(talk: Talk, scope: str = "tenant", **fields: Any) -> Budget:
    subjects: dict[str, Callable[[], int | None]] = {
        "tenant": lambda: None,
        "user": lambda: person(talk.tenant, "member").pk,
        "agent": lambda: Agent.objects.get(slug="assistant").pk,
        "key": lambda: ApiKey.objects.get().pk,
    }
    with entered(talk.tenant.scope):
        return save_budget(
            budget=Budget(),
            scope=scope,
            subject_id=subjects[scope](),
            **{"period": "day"} | fields,
        )


def period_of(talk: Talk, made: Budget) -> BudgetPeriod:
    with entered(talk.tenant.scope):
        return BudgetPeriod.objects.get(budget=made)


def reported(total: int) -> Answer:
    counts = {"prompt_tokens": total - 5, "completion_tokens": 5}
    return Answer(usage={**counts, "total_tokens": total})


def post(talk: Talk, text: str = "Hello", **fields: Any) -> httpx.Response:
    body = {"message": text, "stream": False, **fields}
    return talk.client.post(CHAT, json=body, timeout=60)


def refused(answer: httpx.Response) -> bool:
    if answer.status_code == 200:
        return False
    assert answer.status_code == 429, answer.text
    assert answer.json()["code"] == "budget_exceeded"
    assert int(answer.headers["Retry-After"]) > 0
    return True


def test_of_fifty_at_once_one_gets_through_a_budget_for_one(
    talk: Talk, _server_of: Callable[[str], LiveServer]
) -> None:
    """At two processes, twenty-five each."""
    made = budget(talk, limit_tokens=195)
    talk.provider.on("some-model", reported(95))
    assert not refused(post(talk)), "the period has begun"
    other = Talk(_server_of("uvicorn"), talk.tenant, talk.provider)
    talks = (talk, other)
    with other, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: post(talks[n % 2]), range(50)))
    assert [refused(answer) for answer in answers].count(False) == 1
    assert len(talk.provider.requests) == 2
    period = period_of(talk, made)
    assert (period.spent_tokens, period.reserved_tokens) == (190, 0)
    with entered(talk.tenant.scope):
        assert Turn.objects.count() == Conversation.objects.count() == 2
        assert not Reservation.objects.exists()


def test_who_asks_second_waits_for_what_the_first_one_takes(
    talk: Talk, database_url: str
) -> None:
    """Not only where the period's row is new, whose making is a lock of its own."""
    made = budget(talk, limit_tokens=195)
    talk.provider.enqueue(reported(95))
    post(talk)
    user = person(talk.tenant, "member")
    with entered(talk.tenant.scope), ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            start_turn(user=user, send=Send(text="First."))
            second = pool.submit(post, talk)
            wait_for_a_lock(database_url)
            assert not second.done()
        assert refused(second.result())
    assert period_of(talk, made).reserved_tokens == 100


def wait_for_a_lock(database_url: str) -> None:
    """Until somebody waits for a row that somebody else has."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    deadline = time.monotonic() + 20
    with psycopg.connect(database_url, autocommit=True) as other:
        while other.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)


@pytest.mark.parametrize("scope", ["tenant", "user", "agent", "key"])
def test_a_turn_that_does_not_fit_is_refused_and_stores_nothing(
    talk: Talk, scope: str
) -> None:
    budget(talk, scope, limit_tokens=100_000, period="month")
    budget(talk, scope, limit_tokens=20)
    answer = post(talk)
    assert refused(answer)
    assert "20 tokens a day" in answer.json()["detail"]
    assert "starts anew" in answer.json()["detail"]
    assert not talk.provider.requests
    with entered(talk.tenant.scope):
        assert not Message.objects.exists()
        assert not Reservation.objects.exists()


def test_a_budget_for_somebody_else_does_not_matter(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        stranger = person(talk.tenant, "stranger").pk
        other = {"scope": "user", "subject_id": stranger, "period": "day"}
        save_budget(budget=Budget(), **other, limit_tokens=0)
    assert not refused(post(talk))


def test_the_reply_is_shortened_to_what_is_left(talk: Talk) -> None:
    made = budget(talk, limit_tokens=60)
    talk.provider.enqueue(Answer(text="Too long.", finish="length"))
    stream = talk.send()
    asked = talk.provider.requests[0].body["max_tokens"]
    assert 16 <= asked < 60
    reply = talk.messages(stream.conversation_id)[-1]
    assert reply["finish_reason"] == "length"
    assert reply["error_code"] == "budget_exceeded"
    assert period_of(talk, made).reserved_tokens == 0


def test_a_provider_that_ignores_the_limit_is_cut_off(talk: Talk) -> None:
    budget(talk, limit_tokens=60)
    # One token each, by anybody's count.
    talk.provider.enqueue(
        Answer(
            pieces=(" a",) * 1000,
            pace=500,
            usage=None,
            fault="stall",
            fault_after=1000,
        )
    )
    stream = talk.send()
    limit = talk.provider.requests[0].body["max_tokens"]
    assert stream.parts[-1]["finishReason"] == "length"
    assert stream.text.count(" a") == limit + 1, "one piece over, and no more"
    talk.provider.wait_closed()
    reply = talk.messages(stream.conversation_id)[-1]
    assert (reply["status"], reply["error_code"]) == ("complete", "budget_exceeded")
    assert reply["estimated"] is True
    assert refused(post(talk))


def test_a_changed_limit_holds_at_once_and_the_tightest_wins(talk: Talk) -> None:
    tight = budget(talk, "user", limit_tokens=10)
    budget(talk, "tenant", limit_tokens=100_000)
    assert refused(post(talk))
    with entered(talk.tenant.scope):
        save_budget(budget=tight, limit_tokens=1_000)
    assert not refused(post(talk))
    with entered(talk.tenant.scope):
        spent = set(BudgetPeriod.objects.values_list("spent_tokens", flat=True))
    assert spent == {13}


def test_a_new_budget_knows_what_was_spent_before(talk: Talk) -> None:
    talk.provider.enqueue(reported(500))
    talk.send()
    made = budget(talk, limit_tokens=520, period="month")
    assert refused(post(talk))
    with entered(talk.tenant.scope):
        save_budget(budget=made, limit_tokens=2_000)
    talk.provider.enqueue(reported(40))
    talk.send()
    assert period_of(talk, made).spent_tokens == 540


def test_money_limits_by_the_price_of_the_moment(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        PriceRule.objects.create(
            model="standin/*", input_per_million=0, output_per_million=1_000
        )
    made = budget(talk, limit_cost=Decimal("0.05"))
    talk.provider.enqueue(Answer(tokens=20))
    talk.send()
    assert talk.provider.requests[0].body["max_tokens"] == 50
    assert period_of(talk, made).spent_cost == Decimal("0.02")
    with entered(talk.tenant.scope):
        record = UsageRecord.objects.get()
        assert (record.cost, record.output_price) == (Decimal("0.02"), 1_000)
        PriceRule.objects.create(
            model="standin/some-model", input_per_million=0, output_per_million=10_000
        )
    assert refused(post(talk)), "16 tokens of a reply cost 16 cents now"


def test_a_model_that_costs_nothing_needs_no_money(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        PriceRule.objects.create(model="*", input_per_million=0, output_per_million=0)
    budget(talk, limit_cost=Decimal(0))
    assert not refused(post(talk))


def test_a_repeated_send_reserves_once(talk: Talk) -> None:
    made = budget(talk, limit_tokens=1_000)
    key = {"Idempotency-Key": "once"}
    body = {"message": "Hello", "stream": False}
    for _ in range(3):
        assert talk.client.post(CHAT, json=body, headers=key).status_code == 200
    period = period_of(talk, made)
    assert (period.spent_tokens, period.reserved_tokens) == (13, 0)


def test_what_a_stopped_or_failed_turn_held_is_given_back(talk: Talk) -> None:
    made = budget(talk, limit_tokens=100_000)
    talk.provider.enqueue(
        Answer(tokens=500, pace=50, fault="stall", fault_after=500),
        Answer(status=400),
    )
    with talk.open() as stream:
        stream.until("text-delta", 3)
        held = period_of(talk, made)
        assert held.reserved_tokens > 4_000, "its prompt and the whole reply"
        talk.stop(stream.conversation_id)
        stream.rest()
    post(talk)
    period = period_of(talk, made)
    with entered(talk.tenant.scope):
        stopped = UsageRecord.objects.get(status="stopped")
        assert not Reservation.objects.exists()
    assert period.reserved_tokens == 0
    assert period.reserved_cost == 0
    assert period.spent_tokens == stopped.total_tokens > 0


def test_what_a_dead_process_held_is_given_back(talk: Talk) -> None:
    made = budget(talk, limit_tokens=100_000)
    with entered(talk.tenant.scope):
        plan = start_turn(
            user=person(talk.tenant, "member"), send=Send(text="Is anybody there?")
        )
        assert Reservation.objects.count() == 1
        take_for_dead(plan.turn_id)
        assert not Reservation.objects.exists()
        record = UsageRecord.objects.get(status="interrupted")
    period = period_of(talk, made)
    assert period.reserved_tokens == 0
    assert period.spent_tokens == record.total_tokens > 0


def test_a_new_day_begins_with_nothing_spent(talk: Talk) -> None:
    made = budget(talk, limit_tokens=100)
    talk.provider.enqueue(reported(99))
    post(talk)
    assert refused(post(talk))
    yesterday = timezone.now() - timedelta(days=1)
    with entered(talk.tenant.scope):
        # As it will be tomorrow: all that was used was used the day before.
        BudgetPeriod.objects.update(start=yesterday.date())
        DailyUsage.objects.update(day=yesterday.date())
    assert not refused(post(talk))
    with entered(talk.tenant.scope):
        spent = made.periods.order_by("start").values_list("spent_tokens", flat=True)
        assert list(spent) == [99, 13]


def test_a_provider_that_cannot_be_asked_holds_nothing(talk: Talk) -> None:
    budget(talk, limit_tokens=10)
    with entered(talk.tenant.scope):
        ProviderRow.objects.filter(name=STAND_IN).update(enabled=False)
    answer = post(talk)
    assert answer.json()["code"] == "provider_disabled"
    with entered(talk.tenant.scope):
        assert not Reservation.objects.exists()


def test_under_load_a_budget_is_not_overspent(talk: Talk) -> None:
    """Providers that obey no limit, many at once; each stream may end a piece late."""
    point_agent(talk.tenant, talk.provider.url, max_tokens=60)
    made = budget(talk, "user", limit_tokens=1_500)
    talk.provider.on("some-model", Answer(pieces=(" a",) * 80, pace=2_000, usage=None))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: post(talk), range(60)))
    done = [refused(answer) for answer in answers].count(False)
    period = period_of(talk, made)
    assert 10 < done < 60
    assert period.spent_tokens <= 1_500 + done
    assert period.spent_tokens > 1_400, "what fits goes through"
    assert period.reserved_tokens == 0
