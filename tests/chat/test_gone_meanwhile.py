"""What a running turn names may be gone when it ends. It is charged all the same, and
nothing stays reserved; and days may begin at another hour by then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from accounts.models import ApiKey, User
from agents.errors import AgentInUseError
from agents.models import Agent
from agents.models import Provider as ProviderRow
from agents.services import delete_agent, delete_provider, revise_agent
from chat.models import Conversation, Turn
from tenants.db import entered
from tests.chat.talk import Stream, Talk
from tests.chat.test_budgets import budget
from tests.factories import STAND_IN, make_provider, person
from tests.provider import Answer
from usage.models import (
    Budget,
    BudgetPeriod,
    DailyUsage,
    MonthlyUsage,
    Reservation,
    UsageRecord,
    UsageSettings,
)
from usage.periods import today
from usage.services.budgets import save_budget
from usage.services.rebuilding import differences
from usage.services.settings import save_settings

SLOW = Answer(tokens=60, held_after=1)
LIMIT = 100_000


def wait_for_the_record(talk: Talk) -> UsageRecord:
    """And for the end of its turn, where that is still there. Inside the scope."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        record = UsageRecord.objects.first()
        if record is not None and not Turn.objects.running().exists():
            return record
        time.sleep(0.05)
    raise AssertionError("the turn has no record")


def answers_with(agent: Agent, model: str) -> None:
    revise_agent(agent=agent, author=None, system_prompt="", model=model, parameters={})


def drop_key(talk: Talk, stream: Stream) -> None:
    key = ApiKey.objects.get(user=person(talk.tenant, "member"))
    assert talk.client.delete(f"/api/v1/keys/{key.pk}").status_code == 204


def drop_agent(talk: Talk, stream: Stream) -> None:
    """Its reply keeps it, so that it can only be taken away."""
    Conversation.objects.update(agent=Agent.objects.get(is_default=True))
    passing = Agent.objects.get(slug="passing")
    with pytest.raises(AgentInUseError):
        delete_agent(agent=passing)
    Agent.objects.filter(pk=passing.pk).update(published=False)


def drop_provider(talk: Talk, stream: Stream) -> None:
    make_provider(talk.tenant, name="other", base_url="http://127.0.0.1:9/v1")
    for agent in Agent.objects.all():
        answers_with(agent, "other/some-model")
    delete_provider(provider=ProviderRow.objects.get(name=STAND_IN))


def drop_person(talk: Talk, stream: Stream) -> None:
    """The admin only switches people off; a shell can do more."""
    User.objects.get(email="member@acme.test").delete()


def switch_person_off(talk: Talk, stream: Stream) -> None:
    User.objects.filter(email="member@acme.test").update(is_active=False)


@pytest.mark.parametrize(
    "drop", [drop_key, drop_agent, drop_provider, drop_person, switch_person_off]
)
def test_a_turn_is_charged_though_what_it_names_is_gone(
    talk: Talk, drop: Callable[[Talk, Stream], None]
) -> None:
    with entered(talk.tenant.scope):
        default = Agent.objects.get(is_default=True)
        passing = Agent.objects.create(slug="passing", name="Passing", published=True)
        assert default.revision is not None
        answers_with(passing, default.revision.model)
        key = ApiKey.objects.get(user=person(talk.tenant, "member"))
        subjects = {
            "tenant": None,
            "user": key.user_id,
            "agent": passing.pk,
            "key": key.pk,
        }
    budgets = [budget(talk, limit_tokens=LIMIT)]
    with entered(talk.tenant.scope):
        budgets += [
            save_budget(
                budget=Budget(),
                scope=scope,
                subject_id=subject,
                period=period,
                limit_tokens=LIMIT,
            )
            for scope, subject in subjects.items()
            for period in ("day", "month")
            if (scope, period) != ("tenant", "day")
        ]
    talk.provider.enqueue(SLOW)
    with talk.open(agentId="passing") as stream:
        stream.until("text-delta")
        with entered(talk.tenant.scope):
            assert Reservation.objects.count() == len(budgets)
            drop(talk, stream)
            if drop not in (drop_provider, drop_person):  # which end the turn
                talk.provider.let_go()
            record = wait_for_the_record(talk)
    with entered(talk.tenant.scope):
        assert UsageRecord.objects.count() == 1
        named = (record.user_id, record.agent_id, record.api_key_id)
        assert named == (subjects["user"], subjects["agent"], subjects["key"])
        assert record.completion_tokens > 0
        assert not Reservation.objects.exists()
        sums = set(BudgetPeriod.objects.values_list("spent_tokens", "reserved_tokens"))
        assert sums == {(record.total_tokens, 0)}
        assert BudgetPeriod.objects.count() == len(budgets)
        for rows in (DailyUsage.objects, MonthlyUsage.objects):
            total: Any = rows.aggregate(all=Sum("total_tokens"))["all"]
            assert total == record.total_tokens
        assert differences() == []


def test_a_turn_ends_in_the_day_of_the_time_zone_then(talk: Talk) -> None:
    """What it held is given back where it was held; what it used is of the new day,
    and so is what was used before."""
    made = budget(talk, limit_tokens=LIMIT)
    talk.send("Before")
    # Where it is another day than in UTC, at any hour.
    zone = "Pacific/Niue" if timezone.now().hour < 10 else "Pacific/Kiritimati"
    talk.provider.enqueue(SLOW)
    with talk.open() as stream:
        stream.until("text-delta")
        with entered(talk.tenant.scope):
            before = today().first
            assert Reservation.objects.get().period.start == before
            save_settings(settings=UsageSettings(time_zone=zone))
            after = today().first
            assert after != before
        talk.provider.let_go()
        stream.rest()
    with entered(talk.tenant.scope):
        used = sum(UsageRecord.objects.values_list("total_tokens", flat=True))
        assert not Reservation.objects.exists()
        periods = {
            start: (spent, reserved)
            for start, spent, reserved in BudgetPeriod.objects.filter(
                budget=made
            ).values_list("start", "spent_tokens", "reserved_tokens")
        }
        assert periods == {before: (0, 0), after: (used, 0)}
        assert set(DailyUsage.objects.values_list("day", flat=True)) == {after}
        assert differences() == []
    talk.send("After")
    with entered(talk.tenant.scope):
        spent = BudgetPeriod.objects.get(start=after).spent_tokens
        assert spent == sum(UsageRecord.objects.values_list("total_tokens", flat=True))
