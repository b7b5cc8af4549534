"""Another model or agent in the middle of a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from agents.models import Agent
from agents.resolving import resolve_model
from agents.services import create_agent, create_provider, delete_agent, update_agent
from chat.errors import NotFoundError
from chat.services.starting import start_turn
from chat.turns.plan import Send
from tenants.db import entered, unit
from tenants.models import Tenant
from tests.anthropic import AnthropicProvider
from tests.chat.talk import Talk
from tests.factories import person
from tests.provider import Answer


@pytest.fixture
def anthropic() -> Iterator[AnthropicProvider]:
    with AnthropicProvider() as running:
        yield running


def test_a_conversation_goes_from_openai_to_anthropic_and_back(
    talk: Talk, anthropic: AnthropicProvider
) -> None:
    with entered(talk.tenant.scope):
        create_provider(
            name="claude", kind="anthropic", base_url=anthropic.url, api_key="sk-ant-1"
        )
        create_agent(
            slug="claude",
            name="Claude",
            model="claude/claude-sonnet-4-5",
            system_prompt="You are {{tenant.name}}'s helper for {{ user.name }}.",
        )
    talk.provider.enqueue(Answer(text="Hello from GPT."), Answer(text="Back again."))
    first = talk.send("One")
    chat = first.conversation_id
    second = talk.send("Two", conversationId=chat, agentId="claude")
    third = talk.send("Three", conversationId=chat, agentId="assistant")
    assert [s.text for s in (first, second, third)] == [
        "Hello from GPT.",
        "Salut from Claude.",
        "Back again.",
    ]
    [(headers, asked)] = anthropic.requests
    assert headers["x-api-key"] == "sk-ant-1"
    system = asked["system"]
    said = system if isinstance(system, str) else system[0]["text"]
    assert said == "You are Acme's helper for member."
    assert [(m["role"], _text(m["content"])) for m in asked["messages"]] == [
        ("user", "One"),
        ("assistant", "Hello from GPT."),
        ("user", "Two"),
    ]
    history = talk.provider.requests[-1].body["messages"][1:]
    assert [m["content"] for m in history] == [
        *("One", "Hello from GPT.", "Two", "Salut from Claude.", "Three")
    ]
    replies = talk.messages(chat)[1::2]
    assert [reply["model"] for reply in replies] == [
        *("standin/some-model", "claude/claude-sonnet-4-5", "standin/some-model")
    ]
    assert replies[1]["prompt_tokens"] == 7
    assert replies[1]["cost"] is not None, "a model with a known price"


def _text(content: Any) -> str:
    return content if isinstance(content, str) else content[0]["text"]


def test_an_agent_that_is_deleted_while_a_turn_starts_is_no_fault_of_ours(
    committed: None, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen, and gone before the turn is committed."""
    member = person(acme, "member")
    patched = "chat.services.starting.resolve_model"

    def start(send: Send) -> str:
        with entered(acme.scope):
            model = "local/smollm2-135m"
            gone = create_agent(slug="gone", name="Gone", model=model, position=0)

        def resolve_and_delete(model_id: str) -> Any:
            monkeypatch.setattr(patched, resolve_model)
            asyncio.run(unit(acme.scope, lambda: delete_agent(agent=gone)))
            return resolve_model(model_id)

        monkeypatch.setattr(patched, resolve_and_delete)
        with entered(acme.scope):
            return start_turn(user=member, send=send).agent_slug

    with pytest.raises(NotFoundError):
        start(Send(text="Hello", agent="gone"))
    with entered(acme.scope):
        assert not Agent.objects.filter(slug="gone").exists()
        assert User.objects.get(pk=member.pk).conversations.count() == 0


def test_a_fallback_gets_the_agents_parameters_as_it_takes_them(
    talk: Talk, anthropic: AnthropicProvider
) -> None:
    """Claude refuses a call with any of these as they are."""
    claude = "claude/claude-sonnet-4-5"
    hot = {"temperature": 1.8, "top_p": 0.4, "reasoning_effort": "high"}
    with entered(talk.tenant.scope):
        create_provider(
            name="claude", kind="anthropic", base_url=anthropic.url, api_key="sk-ant-1"
        )
        agent = Agent.objects.get()
        update_agent(agent=agent, author=None, fallbacks=[claude], parameters=hot)
    talk.provider.enqueue(Answer(status=503))
    assert talk.send().text == "Salut from Claude."
    [request] = talk.provider.requests
    assert request.body["temperature"] == 1.8
    [(_, asked)] = anthropic.requests
    assert asked["max_tokens"] == 4096
    assert asked["thinking"] == {"type": "enabled", "budget_tokens": 3072}
    assert asked["temperature"] == 1 and "top_p" not in asked
