"""An agent's other models, asked where its own cannot answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents.models import Agent
from agents.models import Provider as ProviderRow
from agents.services import (
    remove_provider_key,
    update_agent,
    update_provider,
)
from chat.models import Message, Turn
from tenants.db import entered
from tests.chat.talk import Stream, Talk
from tests.factories import STAND_IN, make_provider
from tests.provider import Answer
from usage.models import UsageRecord

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
        record = UsageRecord.objects.get(message_id=reply["id"])
        assert record.model == reply["model"]
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
