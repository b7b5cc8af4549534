"""The provider's own count, the ledger, the roll-ups, the budgets, the messages and the
conversations: after anything that can happen to a turn they say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from chat.models import Message
from tenants.db import EXPLICIT, current, entered
from tenants.models import Tenant
from tests.chat.mixture import CountingProvider, mixture
from tests.chat.recounting import compare, furnish, recount, wait_until_counted
from tests.chat.talk import Talk
from tests.factories import person, point_agent
from tests.servers import KINDS, Kind, LiveServer
from usage.models import (
    Budget,
    BudgetPeriod,
    DailyUsage,
    MonthlyUsage,
    UsageRecord,
    UsageSettings,
)
from usage.services import record_correction
from usage.services.budgets import save_budget
from usage.services.rebuilding import differences

TURNS = 48


@pytest.fixture
def counting() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


def test_all_accounts_agree_after_many_mixed_turns(
    committed: None,
    counting: CountingProvider,
    acme: Tenant,
    _server_of: Callable[[Kind], LiveServer],
) -> None:
    """In two processes at once, of which neither knows the other's turns."""
    point_agent(acme, counting.url)
    with entered(acme.scope):
        furnish()
        own = {"scope": "user", "subject_id": person(acme, "member").pk}
        save_budget(budget=Budget(), **own, period="day", limit_tokens=10**9)
    servers = [_server_of(kind) for kind in KINDS]
    clients = [server.client(acme, "member") for server in servers]
    with ThreadPoolExecutor(12) as pool:
        turns = [
            pool.submit(mixed.run, clients[mixed.number % 2])
            for mixed in mixture(TURNS, 7)
        ]
        for turn in turns:
            turn.result()
    for client in clients:
        client.close()
    with entered(acme.scope):
        wait_until_counted()
        assert len(counting.calls) == TURNS
        assert [*compare(counting), *recount()] == []


def roll_up(*arguments: str) -> str:
    """The command, as manage.py runs it."""
    said = StringIO()
    token = current.set(EXPLICIT)
    try:
        call_command("roll_up_usage", *arguments, stdout=said, stderr=said)
    except CommandError as error:
        said.write(f"{error}")
        raise CommandError(said.getvalue()) from error
    finally:
        current.reset(token)
    return said.getvalue()


def test_the_command_finds_and_mends_what_is_wrong(talk: Talk) -> None:
    talk.send()
    with entered(talk.tenant.scope):
        made = save_budget(
            budget=Budget(),
            scope="tenant",
            subject_id=None,
            period="day",
            limit_tokens=10**6,
        )
    talk.send()
    assert "acme: equal to the ledger" in roll_up("--check")
    with entered(talk.tenant.scope):
        DailyUsage.objects.update(total_tokens=1)
        BudgetPeriod.objects.filter(budget=made).update(spent_tokens=2)
    with pytest.raises(
        CommandError, match=r"budget \d+: 2 tokens(.|\n)*standin/some-model"
    ):
        roll_up("--check", "--tenant", "acme")
    assert "acme: 1 days made again, equal" in roll_up()
    with entered(talk.tenant.scope):
        assert not [*recount()]
        MonthlyUsage.objects.update(cost=1, month=date(2020, 2, 1))
    with pytest.raises(CommandError, match="2020-02-01"):
        roll_up("--check")
    assert "acme: 1 days made again, equal" in roll_up()
    with entered(talk.tenant.scope):
        assert not [*recount()]


def test_corrections_and_days_follow_the_time_zone(talk: Talk) -> None:
    stream = talk.send()
    with entered(talk.tenant.scope):
        record = UsageRecord.objects.get(conversation_id=stream.conversation_id)
        record_correction(record=record, note="Never read.", prompt_tokens=-10)
        message = Message.objects.get(pk=record.message_id)
        assert message.total_tokens == message.conversation.total_tokens == 3
        assert DailyUsage.objects.aggregate(all=Sum("total_tokens"))["all"] == 3
        assert differences() == []
        UsageSettings.objects.create(pk=1, time_zone="Pacific/Kiritimati")
        days = set(DailyUsage.objects.values_list("day", flat=True))
    roll_up()
    with entered(talk.tenant.scope):
        assert differences() == []
        zoned = set(DailyUsage.objects.values_list("day", flat=True))
    assert max(zoned) >= max(days)
