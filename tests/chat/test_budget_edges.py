"""Budgets where something else changes meanwhile: the model, the budget, the provider.
And calls of our own, which use them up like any other."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from agents.models import Provider as ProviderRow
from agents.services import update_agent, update_provider
from chat.models import Conversation, Message, Turn, TurnLogEntry
from chat.services.finishing import TurnEnd, finish_turns
from chat.services.starting import start_turn
from chat.services.titling import store_title, title_call
from chat.turns.plan import Send
from llm.client import Endpoint, Prompt
from llm.events import Usage
from llm.tokens import count_messages
from tenants.db import entered
from tests.chat.talk import Talk
from tests.chat.test_budgets import (
    budget,
    period_of,
    post,
    refused,
    reported,
    wait_for_a_lock,
)
from tests.chat.unattended import begun, ended, take_for_dead
from tests.factories import STAND_IN, person
from tests.provider import Answer
from usage.models import Budget, BudgetPeriod, PriceRule, Reservation, UsageRecord
from usage.services import Subject, release_lapsed, reserve_call

OTHER = f"{STAND_IN}/other"
TRY = "/api/v1/agents/assistant/try"


def prices(talk: Talk, **rules: tuple[int, int]) -> None:
    with entered(talk.tenant.scope):
        for model, (input_, output) in rules.items():
            PriceRule.objects.create(
                model=f"{STAND_IN}/{model}",
                input_per_million=input_,
                output_per_million=output,
            )


def falls_back(talk: Talk) -> None:
    """From the agent's model, which is down, to OTHER."""
    with entered(talk.tenant.scope):
        provider = ProviderRow.objects.get(name=STAND_IN)
        update_provider(provider=provider, models=["some-model", "other"])
        update_agent(agent=Agent.objects.get(), author=None, fallbacks=[OTHER])
    talk.provider.on("some-model", Answer(status=503))


@pytest.mark.parametrize("first_price", [(0, 0), None])
def test_a_fallback_keeps_to_what_money_is_left(
    talk: Talk, first_price: tuple[int, int] | None
) -> None:
    """Also where the first model's price held none of it."""
    falls_back(talk)
    prices(
        talk, other=(0, 1_000), **({"some-model": first_price} if first_price else {})
    )
    made = budget(talk, limit_cost=Decimal("0.05"))
    talk.provider.on("other", Answer(pieces=(" a",) * 500, pace=2_000, usage=None))
    post(talk)
    assert talk.provider.requests[-1].body["max_tokens"] == 50
    period = period_of(talk, made)
    assert Decimal("0.04") < period.spent_cost <= Decimal("0.051"), "one piece over"
    assert period.reserved_cost == 0


def test_a_fallback_that_is_too_dear_is_not_asked(talk: Talk) -> None:
    falls_back(talk)
    prices(talk, other=(1_000_000, 1_000_000))
    made = budget(talk, limit_cost=Decimal("0.05"))
    assert post(talk).json()["code"] == "provider_unavailable"
    assert {r.body["model"] for r in talk.provider.requests} == {"some-model"}
    assert period_of(talk, made).spent_cost == 0
    with entered(talk.tenant.scope):
        assert not Reservation.objects.exists()


def test_a_budget_can_be_deleted_while_a_turn_begins(
    talk: Talk, database_url: str
) -> None:
    made = budget(talk, limit_tokens=1_000)
    post(talk)
    with entered(talk.tenant.scope), ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Budget.objects.all().delete()
            second = pool.submit(post, talk)
            wait_for_a_lock(database_url)
        assert second.result().status_code == 200, made


def test_a_turn_can_begin_while_its_budget_is_deleted(
    talk: Talk, database_url: str
) -> None:
    made = budget(talk, limit_tokens=10_000)
    post(talk)
    user = person(talk.tenant, "member")
    address = f"/api/v1/budgets/{made.pk}"
    with (
        talk.server.client(talk.tenant, "owner") as owner,
        entered(talk.tenant.scope),
        ThreadPoolExecutor(1) as pool,
    ):
        with transaction.atomic():
            start_turn(user=user, send=Send(text="First."))
            deleted = pool.submit(owner.delete, address)
            wait_for_a_lock(database_url)
        assert deleted.result().status_code == 204
        assert not Reservation.objects.exists()


def test_what_a_dead_process_wrote_counts_though_its_provider_is_gone(
    talk: Talk,
) -> None:
    prices(talk, **{"some-model": (1, 1_000)})
    with entered(talk.tenant.scope):
        plan = begun(talk)
        TurnLogEntry.objects.create(
            turn_id=plan.turn_id, position=0, end=1, events=[["t", "One two three."]]
        )
        Turn.objects.update(first_token_at=timezone.now())
        ProviderRow.objects.filter(name=STAND_IN).update(enabled=False)
        take_for_dead(plan.turn_id)
        record = UsageRecord.objects.get()
        assert record.estimated and record.completion_tokens > 2
        assert record.prompt_tokens > 2
        assert record.cost


def test_a_dead_process_is_charged_to_the_agent_that_answered(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        plan = begun(talk)
        agent = Agent.objects.get(pk=plan.agent_id)
        other = Agent.objects.create(slug="other", name="Other")
        Conversation.objects.update(agent=other)
        take_for_dead(plan.turn_id)
        assert UsageRecord.objects.get().agent_id == agent.pk


def test_what_a_turn_used_after_it_was_given_up_is_counted_too(talk: Talk) -> None:
    """Its process was taken for dead, and was not."""
    made = budget(talk, limit_tokens=100_000)
    prices(talk, **{"some-model": (1_000, 1_000)})
    with entered(talk.tenant.scope):
        plan = begun(talk)
        take_for_dead(plan.turn_id)
        outcome = ended(plan, Usage(500, 70))
        for _ in range(2):
            assert not finish_turns(
                [
                    TurnEnd(
                        plan=plan, outcome=outcome, position=0, tail=lambda settled: []
                    )
                ]
            )[0]
        rows = UsageRecord.objects.all()
        assert sum(row.total_tokens for row in rows) == 570
        assert sum(row.cost or 0 for row in rows) == Decimal("0.57")
        reply = Message.objects.get(pk=plan.reply_id)
        assert (reply.prompt_tokens, reply.completion_tokens) == (500, 70)
        assert (reply.total_tokens, reply.cost) == (570, Decimal("0.57"))
        assert reply.estimated is False
        assert reply.conversation.total_tokens == 570
    assert period_of(talk, made).spent_tokens == 570


def test_trying_an_agent_keeps_to_the_budgets(talk: Talk) -> None:
    made = budget(talk, limit_tokens=150)
    talk.provider.on("some-model", reported(100))
    with talk.server.client(talk.tenant, "owner") as owner:
        assert owner.post(TRY, json={"message": "Hello"}).status_code == 200
        assert talk.provider.requests[0].body["max_tokens"] < 150
        assert period_of(talk, made).reserved_tokens == 0
        post(talk)
        assert refused(owner.post(TRY, json={"message": "Hello"}))
    assert len(talk.provider.requests) == 2


def test_a_title_keeps_to_the_budgets(talk: Talk) -> None:
    made = budget(talk, limit_tokens=110)
    with entered(talk.tenant.scope):
        user = person(talk.tenant, "member")
        plan = start_turn(user=user, send=Send(text="Hello"))
        outcome = ended(plan, Usage(95, 5))
        assert finish_turns(
            [TurnEnd(plan=plan, outcome=outcome, position=0, tail=lambda settled: [])]
        )[0]
        assert title_call(plan, f"{STAND_IN}/titles") is None
        Budget.objects.filter(pk=made.pk).update(limit_tokens=1_000)
        call = title_call(plan, f"{STAND_IN}/titles")
        assert call is not None
        assert period_of(talk, made).reserved_tokens > 30
        store_title(plan=plan, call=call, title="", usage=Usage(40, 5), duration_ms=9)
    period = period_of(talk, made)
    assert (period.spent_tokens, period.reserved_tokens) == (145, 0)


def test_what_a_dead_process_held_for_a_title_lapses(talk: Talk) -> None:
    made = budget(talk, limit_tokens=1_000)
    with entered(talk.tenant.scope):
        subject = Subject(
            user_id=person(talk.tenant, "member").pk,
            agent_id=None,
            model="standin/titles",
            turn_id="a-title-1",
        )
        prompt = Prompt(
            endpoint=Endpoint("openai_compatible"),
            model="titles",
            messages=[{"role": "user", "content": "Hello"}],
            parameters={"max_tokens": 30},
        )
        for seconds, held in ((60, True), (-1, False)):
            lapses_at = timezone.now() + timedelta(seconds=seconds)
            with transaction.atomic():  # a live server releases, too
                reserve_call(subject=subject, prompt=prompt, lapses_at=lapses_at)
                assert BudgetPeriod.objects.get(budget=made).reserved_tokens > 30
                release_lapsed()
            assert Reservation.objects.exists() is held
    assert period_of(talk, made).reserved_tokens == 0


def test_what_cannot_be_read_cheaply_is_held_as_the_most_it_can_be(talk: Talk) -> None:
    """Nine bytes make some eight tokens here, of which a guess knows nothing."""
    made = budget(talk, limit_tokens=10**7)
    with entered(talk.tenant.scope):
        user = person(talk.tenant, "member")
        start_turn(user=user, send=Send(text="Hello"))
        for text in ("\u1780\u17d2\u1789" * 20, "\u1780\u17d2\u1789" * 2_000):
            before = period_of(talk, made).reserved_tokens
            plan = start_turn(user=user, send=Send(text=text))
            assert plan.prompt is not None
            prompt = count_messages(plan.prompt.messages, plan.prompt.model)
            held = period_of(talk, made).reserved_tokens - before
            reply = plan.prompt.parameters["max_tokens"]
            assert isinstance(reply, int)
            assert held >= prompt + reply


def test_a_conversation_removed_under_its_turn_leaves_what_was_used(talk: Talk) -> None:
    made = budget(talk, limit_tokens=10_000)
    talk.provider.enqueue(Answer(tokens=40, pace=20))
    with talk.open() as stream:
        stream.until("text-delta")
        with entered(talk.tenant.scope):
            Conversation.objects.all().delete()
        deadline = time.monotonic() + 20
        while not period_of(talk, made).spent_tokens and time.monotonic() < deadline:
            time.sleep(0.1)
    with entered(talk.tenant.scope):
        record = UsageRecord.objects.get()
        assert record.completion_tokens > 0
        assert not Reservation.objects.exists()
    period = period_of(talk, made)
    assert (period.spent_tokens, period.reserved_tokens) == (record.total_tokens, 0)
