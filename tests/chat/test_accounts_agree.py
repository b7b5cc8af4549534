"""The provider's own count, the ledger, the roll-ups, the budgets, the messages and the
conversations: after anything that can happen to a turn they say the same."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from agents.models import Provider
from agents.services import create_agent
from chat.models import Conversation, Message
from tenants.db import EXPLICIT, current, entered
from tests.chat.talk import Talk
from tests.factories import STAND_IN, person
from tests.provider import Answer
from usage.models import (
    Budget,
    BudgetPeriod,
    DailyUsage,
    UsageRecord,
    UsageSettings,
)
from usage.services import record_correction
from usage.services.budgets import save_budget
from usage.services.rebuilding import differences

TURNS = 80
PROMPT = 10  # what the stand-in says of every prompt


def test_all_accounts_agree_after_many_mixed_turns(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        for scope, subject in (("tenant", None), ("user", _member(talk))):
            for period in ("day", "month"):
                save_budget(
                    budget=Budget(),
                    scope=scope,
                    subject_id=subject,
                    period=period,
                    limit_tokens=10**9,
                )
    dice = random.Random(7)
    plans = [_plan(dice) for _ in range(TURNS)]
    with entered(talk.tenant.scope):
        models = sorted({f"{kind}-{length}" for kind, length in plans})
        named = Provider.objects.filter(name=STAND_IN)
        named.update(model_names=[*models, "down"])
        _make_agents(models)
    talk.provider.on("down", Answer(status=503))
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda plan: _run(talk, *plan), plans))
    with entered(talk.tenant.scope):
        reported = UsageRecord.objects.filter(estimated=False, status="done")
        assert reported.count() == sum(count is not None for count in sent)
        total = reported.aggregate(all=Sum("total_tokens"))["all"]
        assert total == sum(count + PROMPT for count in sent if count is not None)
        assert UsageRecord.objects.count() == TURNS
        _agree()


def _plan(dice: random.Random) -> tuple[str, int]:
    kinds = ["done", "stopped", "cut", "failed", "silent", "fallback"]
    kind = dice.choices(kinds, [6, 1, 1, 1, 1, 1])
    return kind[0], dice.randint(1, 40)


def _run(talk: Talk, kind: str, length: int) -> int | None:
    """One turn; returns the tokens of the reply if the provider reported them."""
    model = f"{kind}-{length}"
    answers = {
        "done": Answer(tokens=length),
        "stopped": Answer(tokens=length + 200, pace=50),
        "cut": Answer(tokens=length, fault="cut", fault_after=length // 2),
        "failed": Answer(status=400),
        "silent": Answer(tokens=length, usage=None),
        "fallback": Answer(tokens=length),
    }
    talk.provider.on(model, answers[kind])
    asked = {"agentId": model} if kind == "fallback" else {"model": f"standin/{model}"}
    with talk.open(**asked) as stream:
        if kind == "stopped":
            stream.until("text-delta")
            talk.stop(stream.conversation_id)
        stream.rest()
    return length if kind in {"done", "fallback"} else None


def _make_agents(models: list[str]) -> None:
    """For each fallback one whose own model is down."""
    for model in models:
        if model.startswith("fallback"):
            create_agent(
                author=None,
                slug=model,
                name=model,
                model=f"{STAND_IN}/down",
                fallbacks=[f"{STAND_IN}/{model}"],
                published=True,
            )


def _member(talk: Talk) -> int:
    return person(talk.tenant, "member").pk


def _agree() -> None:
    """Recount everything from the ledger."""
    ledger = UsageRecord.objects.aggregate(all=Sum("total_tokens"))["all"]
    assert differences() == []
    assert DailyUsage.objects.aggregate(all=Sum("total_tokens"))["all"] == ledger
    assert set(BudgetPeriod.objects.values_list("spent_tokens", flat=True)) == {ledger}
    assert set(BudgetPeriod.objects.values_list("reserved_tokens", flat=True)) == {0}
    of_messages = dict(
        UsageRecord.objects.values_list("message_id").annotate(all=Sum("total_tokens"))
    )
    for message in Message.objects.filter(role="assistant"):
        assert message.total_tokens == of_messages[message.pk]
    of_conversations = dict(
        UsageRecord.objects.values_list("conversation_id").annotate(
            all=Sum("total_tokens")
        )
    )
    for conversation in Conversation.objects.all():
        assert conversation.total_tokens == of_conversations[conversation.pk]


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
        _agree()


def test_corrections_and_days_follow_the_time_zone(talk: Talk) -> None:
    stream = talk.send()
    with entered(talk.tenant.scope):
        record = UsageRecord.objects.get(conversation_id=stream.conversation_id)
        record_correction(record=record, note="Never read.", prompt_tokens=-10)
        assert DailyUsage.objects.aggregate(all=Sum("total_tokens"))["all"] == 3
        assert differences() == []
        UsageSettings.objects.create(pk=1, time_zone="Pacific/Kiritimati")
        days = set(DailyUsage.objects.values_list("day", flat=True))
    roll_up()
    with entered(talk.tenant.scope):
        assert differences() == []
        zoned = set(DailyUsage.objects.values_list("day", flat=True))
    assert max(zoned) >= max(days)
