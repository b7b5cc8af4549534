"""An agent's other models, asked where its own cannot answer."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from agents.models import Agent
from agents.models import Provider as ProviderRow
from agents.services import (
    remove_provider_key,
    update_agent,
    update_provider,
)
from chat.models import Message, Turn, TurnLogEntry
from chat.services.starting import start_turn
from chat.turns.codec import to_json
from chat.turns.events import CallFailed
from chat.turns.plan import Send
from llm.events import TextDelta, Usage
from tenants.db import entered
from tests.chat.talk import Stream, Talk
from tests.chat.test_mcp import ADD, ask, decide
from tests.chat.unattended import take_for_dead
from tests.factories import STAND_IN, make_provider, person
from tests.mcp_server import McpStandIn
from tests.provider import Answer
from usage.models import Budget, BudgetPeriod, DailyUsage, UsageRecord
from usage.pricing import UnitPrice
from usage.services.budgets import save_budget
from usage.services.rebuilding import differences

OWN, OTHER, THIRD = "standin/some-model", "second/other-model", "standin/third"


@pytest.fixture
def chain(talk: Talk) -> Talk:
    """The agent falls back from OWN to OTHER and then to THIRD."""
    second = make_provider(
        talk.tenant, base_url=talk.provider.url, name="second", models=("other-model",)
    )
    with entered(talk.tenant.scope):
        update_provider(provider=second, api_key="sk-of-the-second-provider")
        update_agent(agent=Agent.objects.get(), author=None, fallbacks=[OTHER, THIRD])
    talk.provider.on("other-model", Answer(text="From the other."))
    talk.provider.on("third", Answer(text="From the third."))
    return talk


def models_asked(talk: Talk) -> list[str]:
    return [request.body["model"] for request in talk.provider.requests]


def stored_model(talk: Talk, stream: Stream) -> str:
    """As the reply, the ledger and the finish say it; they must agree."""
    reply = talk.messages(stream.conversation_id)[-1]
    with entered(talk.tenant.scope):
        *failed, record = UsageRecord.objects.filter(message_id=reply["id"]).order_by(
            "call"
        )
        assert (record.model, record.status) == (reply["model"], "done")
        assert {call.status for call in failed} <= {"failed"}
        assert [call.call for call in failed] == list(range(record.call))
    assert stream.parts[-1]["messageMetadata"]["model"] == reply["model"]
    return str(reply["model"])


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_the_next_model_answers_where_the_first_cannot(
    status: int, chain: Talk
) -> None:
    chain.provider.on("some-model", Answer(status=status))
    stream = chain.send()
    assert stream.text == "From the other."
    assert models_asked(chain) == ["some-model", "other-model"]
    assert stream.start["model"] == OWN
    assert stored_model(chain, stream) == OTHER
    key = chain.provider.requests[-1].headers["authorization"]
    assert key == "Bearer sk-of-the-second-provider"


def _no_key(provider: ProviderRow) -> None:
    provider.kind = "openai"
    provider.save()
    remove_provider_key(provider=provider)


def _disable(provider: ProviderRow) -> None:
    update_provider(provider=provider, enabled=False)


def _disable_model(provider: ProviderRow) -> None:
    update_provider(provider=provider, disabled_models=["some-model"])


@pytest.mark.parametrize("change", [_no_key, _disable, _disable_model])
def test_what_is_not_configured_is_not_asked_and_the_next_one_is(
    change: Callable[[ProviderRow], None], chain: Talk
) -> None:
    with entered(chain.tenant.scope):
        change(ProviderRow.objects.get(name=STAND_IN))
    stream = chain.send()
    assert stored_model(chain, stream) == OTHER
    assert models_asked(chain) == ["other-model"]


def test_the_chain_goes_on_to_its_end(chain: Talk) -> None:
    chain.provider.on("some-model", Answer(status=503))
    chain.provider.on("other-model", Answer(status=429))
    stream = chain.send()
    assert stored_model(chain, stream) == THIRD
    assert models_asked(chain) == ["some-model", "other-model", "third"]
    with entered(chain.tenant.scope):
        turn = Turn.objects.get(conversation=stream.conversation_id)
        assert turn.credential is not None
        assert turn.credential.provider.name == STAND_IN
        rows = UsageRecord.objects.order_by("call")
        assert list(rows.values_list("model", "status", "total_tokens")) == [
            (OWN, "failed", 0),
            (OTHER, "failed", 0),
            (THIRD, "done", 13),
        ]
        assert [row.ttft_ms is None for row in rows] == [True, True, False]
        assert DailyUsage.objects.get(model=OTHER).failures == 1
        assert differences() == []


def test_where_none_answers_the_first_failure_is_told(chain: Talk) -> None:
    chain.provider.on("some-model", Answer(status=401))
    for model in ("other-model", "third"):
        chain.provider.on(model, Answer(status=503))
    stream = chain.send()
    assert "refused our API key" in stream.parts[-1]["errorText"]
    reply = chain.messages(stream.conversation_id)[-1]
    assert (reply["model"], reply["error_code"]) == (OWN, "provider_unauthorized")
    assert reply["total_tokens"] == 0


def test_after_the_first_token_nobody_else_is_asked(chain: Talk) -> None:
    chain.provider.on("some-model", Answer(tokens=9, fault="error", fault_after=4))
    stream = chain.send()
    assert stream.kinds[-1] == "error"
    assert models_asked(chain) == ["some-model"]
    with entered(chain.tenant.scope):
        reply = Message.objects.get(
            conversation=stream.conversation_id, role="assistant"
        )
        assert (reply.model, reply.text) == (OWN, "w0 w1 w2 w3 ")


def test_a_refused_prompt_is_not_taken_elsewhere(chain: Talk) -> None:
    chain.provider.on("some-model", Answer(status=400))
    assert chain.send().kinds[-1] == "error"
    assert models_asked(chain) == ["some-model"]


def test_whoever_chose_a_model_gets_that_one_or_none(chain: Talk) -> None:
    with entered(chain.tenant.scope):
        provider = ProviderRow.objects.get(name=STAND_IN)
        update_provider(provider=provider, models=["some-model", "third"])
    chain.provider.on("third", Answer(status=404))
    assert chain.send(model=THIRD).kinds[-1] == "error"
    assert models_asked(chain) == ["third"]


def test_a_dead_process_leaves_its_failed_calls_in_the_ledger(chain: Talk) -> None:
    with entered(chain.tenant.scope):
        user = person(chain.tenant, "member")
        plan = start_turn(user=user, send=Send(text="Is anybody there?"))
        Message.objects.filter(pk=plan.reply_id).update(model=OTHER)
        lost = CallFailed(OWN, Usage(7, 0), UnitPrice(*[Decimal(2)] * 4), 120)
        rows = to_json([lost, TextDelta("Half an ")])
        TurnLogEntry.objects.create(
            turn_id=plan.turn_id, position=0, end=len(rows), events=rows
        )
        take_for_dead(plan.turn_id)
        failed, cut = UsageRecord.objects.order_by("call")
        assert (failed.model, failed.status, failed.duration_ms) == (OWN, "failed", 120)
        assert (failed.total_tokens, failed.cost) == (7, Decimal("0.000014"))
        assert (cut.model, cut.status, cut.call) == (OTHER, "interrupted", 1)
        reply = Message.objects.get(pk=plan.reply_id)
        assert reply.total_tokens == failed.total_tokens + cut.total_tokens


def test_what_a_failed_call_used_is_held_while_it_is_repeated(talk: Talk) -> None:
    """It named a tool before it failed, and so read the prompt."""
    with entered(talk.tenant.scope):
        limit = {"scope": "tenant", "subject_id": None, "period": "day"}
        save_budget(budget=Budget(), **limit, limit_tokens=1_000)
    calls = (("calculator", '{"expression": "6*7"}'),)
    broken = Answer(calls=calls, fault="error", fault_after=3)
    talk.provider.enqueue(broken, Answer(tokens=2))
    assert talk.send().text == "w0 w1 "
    with entered(talk.tenant.scope):
        failed, done = UsageRecord.objects.order_by("call")
        assert (failed.status, failed.estimated) == ("failed", True)
        assert failed.prompt_tokens > 0
        first, second = (r.body["max_tokens"] for r in talk.provider.requests)
        assert first - second == failed.total_tokens
        total = failed.total_tokens + done.total_tokens
        assert Message.objects.get(role="assistant").total_tokens == total
        period = BudgetPeriod.objects.get()
        assert (period.spent_tokens, period.reserved_tokens) == (total, 0)


def test_a_repeated_call_still_has_what_a_person_allowed(
    talk: Talk, mcp: McpStandIn
) -> None:
    with entered(talk.tenant.scope):
        limit = {"scope": "tenant", "subject_id": None, "period": "day"}
        save_budget(budget=Budget(), **limit, limit_tokens=2_000)
    asked, ids = ask(talk, mcp)
    broken = Answer(calls=(ADD,), fault="error", fault_after=3)
    talk.provider.enqueue(broken, Answer(text="Five."))
    assert decide(talk, asked.conversation_id, ids).text == "Five."
    failed, again = (r.body["messages"] for r in talk.provider.requests[-2:])
    assert again == failed
    assert (again[-1]["role"], again[-1]["content"]) == ("tool", "5")
    assert len(mcp.calls) == 1
