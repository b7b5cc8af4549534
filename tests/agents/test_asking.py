"""Testing a provider, finding its models, trying a draft: at a live server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.db import connection

from agents.models import Agent
from agents.models import Provider as ProviderRow
from agents.services import create_provider, update_provider
from chat.models import Conversation
from chat.services.trying import try_agent
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.factories import STAND_IN, person, point_agent
from tests.provider import SECRET_MARKER, Answer, Provider
from tests.servers import LiveServer, host_of, session_cookie
from usage.models import UsageRecord

TRY = "/api/v1/agents/assistant/try"


@pytest.fixture
def owner(
    server: LiveServer, acme: Tenant, provider: Provider
) -> Iterator[httpx.Client]:
    point_agent(acme, provider.url)
    with server.client(acme, "owner") as client:
        yield client


def address(tenant: Tenant, name: str = STAND_IN) -> str:
    with entered(tenant.scope):
        return f"/api/v1/providers/{ProviderRow.objects.get(name=name).pk}"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, None),
        (401, "provider_unauthorized"),
        (404, "provider_model_not_found"),
        (402, "provider_quota_exceeded"),
        (503, "provider_unavailable"),
    ],
)
def test_a_test_asks_for_one_token_and_says_what_is_wrong(
    status: int, code: str | None, acme: Tenant, owner: httpx.Client, provider: Provider
) -> None:
    provider.enqueue(Answer(status=status))
    answer = owner.post(f"{address(acme)}/test", json={})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["ok"], told["code"]) == (code is None, code)
    assert told["detail"].endswith(".")
    assert isinstance(told["latency_ms"], int)
    assert SECRET_MARKER not in answer.text
    [request] = provider.requests
    assert request.body["max_tokens"] == 1
    with entered(acme.scope):
        assert not Conversation.objects.exists()
        record = UsageRecord.objects.get()
    assert (record.kind, record.model) == ("test", f"{STAND_IN}/some-model")
    assert record.status == ("done" if code is None else "failed")
    assert (record.total_tokens > 0) == (code is None)


def test_a_test_says_what_the_configuration_lacks(
    acme: Tenant, owner: httpx.Client
) -> None:
    with entered(acme.scope):
        create_provider(name="keyless", kind="openai", models=["gpt-4o"])
        create_provider(
            name="nowhere",
            kind="openai_compatible",
            base_url="http://127.0.0.1:9/v1",
            models=["x"],
        )
        create_provider(
            name="empty", kind="openai_compatible", base_url="http://127.0.0.1:9/v1"
        )
    codes = {
        name: owner.post(f"{address(acme, name)}/test", json={}).json()["code"]
        for name in ("keyless", "nowhere", "empty")
    }
    assert codes == {
        "keyless": "provider_key_missing",
        "nowhere": "provider_unavailable",
        "empty": "invalid",
    }
    with entered(acme.scope):  # only who was asked is in the ledger
        assert [r.model for r in UsageRecord.objects.all()] == ["nowhere/x"]


def test_models_are_found_at_the_server_or_in_the_price_list(
    acme: Tenant, owner: httpx.Client, provider: Provider
) -> None:
    found = owner.get(f"{address(acme)}/models").json()["results"]
    names = ["mock-2000x0ms-0ms", "mock-200x50ms-0ms", "some-model"]
    assert [model["name"] for model in found] == names
    assert {m["name"]: m["offered"] for m in found}["some-model"] is True
    assert found[0]["context_window"] is None
    assert provider.requests[-1].method == "GET"
    with entered(acme.scope):
        create_provider(name="openai", kind="openai", disabled_models=["gpt-4o"])
    page = owner.get(f"{address(acme, 'openai')}/models?limit=100").json()
    known = {model["name"]: model for model in page["results"]}["gpt-4o"]
    assert (known["context_window"], known["vision"], known["tools"]) == (
        128_000,
        True,
        True,
    )
    assert (known["input_per_million"], known["enabled"]) == ("2.5", False)


def test_a_server_that_lists_nothing_is_told_in_words(
    acme: Tenant, owner: httpx.Client
) -> None:
    with entered(acme.scope):
        nowhere = "http://127.0.0.1:9/v1"
        create_provider(name="nowhere", kind="openai_compatible", base_url=nowhere)
    answer = owner.get(f"{address(acme, 'nowhere')}/models")
    assert answer.status_code == 502
    assert answer.json()["code"] == "provider_unavailable"


def test_a_draft_is_tried_charged_and_not_stored(
    acme: Tenant, owner: httpx.Client, provider: Provider
) -> None:
    provider.enqueue(Answer(text="As the draft has it."))
    draft = {"message": "Hi", "system_prompt": "For {{tenant.name}}."}
    tried = owner.post(TRY, json=draft)
    assert tried.status_code == 200, tried.text
    body = tried.json()
    assert (body["text"], body["model"]) == (
        *("As the draft has it.", f"{STAND_IN}/some-model"),
    )
    sent = [message["content"] for message in provider.requests[-1].body["messages"]]
    assert sent == ["For Acme.", "Hi"]
    with entered(acme.scope):
        agent = Agent.objects.get()
        assert agent.revision is not None
        assert agent.revision.system_prompt == "You are a test."
        assert not Conversation.objects.exists()
        record = UsageRecord.objects.get()
        assert record.total_tokens == body["total_tokens"] > 0


def test_a_past_question_is_tried_with_what_was_said_before_it(
    server: LiveServer, acme: Tenant, owner: httpx.Client, provider: Provider
) -> None:
    said = ("Name a bird", "A crow.", "Where does it live?", "In woods.")
    made = make_conversation(acme, "owner", said=said)
    with entered(acme.scope):
        question = made.messages.get(text="Where does it live?").pk
        theirs = make_conversation(acme, "member", said=("Mine",)).messages.get().pk
    provider.on("some-model", Answer(text="In Rome.", reasoning=("Hm.",)))
    draft = {"system_prompt": "Be wrong.", "parameters": {"temperature": 0.7}}
    tried = owner.post(TRY, json={"message_id": question, **draft})
    assert tried.json()["text"] == "In Rome.", tried.text
    asked = provider.requests[-1].body
    assert [m["content"] for m in asked["messages"]] == ["Be wrong.", *said[:3]]
    assert asked["temperature"] == 0.7
    for wrong in (theirs, "gone-message", "odd id"):
        assert owner.post(TRY, json={"message_id": wrong}).status_code in {400, 404}
    both = {"message_id": question, "message": "Hi"}
    assert owner.post(TRY, json=both).status_code == 400
    with server.client(acme, cookies=session_cookie(acme, "owner")) as pages:
        with entered(acme.scope):
            page = f"/admin/agents/agent/{Agent.objects.get().pk}/try/"
        shown = pages.get(page)
        assert question in shown.text and theirs not in shown.text
        fields = {**draft, "parameters": json.dumps({"temperature": 0.7})}
        form = {**fields, "model": f"{STAND_IN}/some-model", "message_id": question}
        [token] = set(re.findall(r'csrfmiddlewaretoken" value="(\w+)', shown.text))
        form["csrfmiddlewaretoken"] = token
        headers = {"Origin": f"http://{host_of(acme)}:{server.port}"}
        answer = pages.post(page, data=form, headers=headers)
        for part in ("In Rome.", "What it thought", "In woods."):
            assert part in answer.text, answer.text
        for wrong in (theirs, "\x00"):
            form["message_id"] = wrong
            refused = pages.post(page, data=form, headers=headers)
            assert "There is no such question." in refused.text
            assert "Mine" not in refused.text
        form["parameters"] = "["
        assert "valid JSON" in pages.post(page, data=form, headers=headers).text
    with entered(acme.scope):
        assert made.messages.count() == len(said)


@pytest.mark.parametrize(
    ("draft", "status"),
    [
        ({"message": " "}, 400),
        ({"message": "Hi", "system_prompt": "{{secret}}"}, 400),
        ({"message": "Hi", "model": "nobody/x"}, 400),
        ({"message": "Hi", "parameters": {"temperature": 9}}, 400),
        ({"message": "x" * 70_000}, 413),
        ({}, 400),
    ],
)
def test_a_draft_that_could_not_be_saved_is_not_tried(
    draft: dict[str, Any], status: int, owner: httpx.Client, provider: Provider
) -> None:
    answer = owner.post(TRY, json=draft)
    assert answer.status_code == status, answer.text
    assert provider.requests == []


def test_a_failed_try_is_told_in_words(owner: httpx.Client, provider: Provider) -> None:
    provider.enqueue(Answer(status=401))
    answer = owner.post(TRY, json={"message": "Hi"})
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_unauthorized")


def test_members_and_strangers_ask_nothing(
    server: LiveServer, acme: Tenant, globex: Tenant, owner: httpx.Client
) -> None:
    paths = [
        *(f"{address(acme)}/test", f"{address(acme)}/keys/1/revoke", TRY),
        "/api/v1/agents/assistant/revisions/1/restore",
    ]
    with (
        server.client(acme) as nobody,
        server.client(acme, "member") as member,
        server.client(globex, "owner") as other,
    ):
        for path in paths:
            assert nobody.post(path, json={}).status_code == 401
            assert member.post(path, json={}).status_code == 403
        for path in paths[:2]:
            assert other.post(path, json={}).status_code == 404
        for path in ("models", "keys"):
            assert nobody.get(f"{address(acme)}/{path}").status_code == 401
            assert member.get(f"{address(acme)}/{path}").status_code == 403
            assert other.get(f"{address(acme)}/{path}").status_code == 404


def test_what_is_switched_off_is_not_offered(acme: Tenant, owner: httpx.Client) -> None:
    model = f"{STAND_IN}/some-model"
    with entered(acme.scope):
        row = ProviderRow.objects.get(name=STAND_IN)
        update_provider(provider=row, disabled_models=["some-model"])
    offered = owner.get("/api/v1/models").json()["results"]
    assert model not in [each["id"] for each in offered]
    agent = owner.get("/api/v1/agents/assistant").json()
    assert agent["problem"] == f"The model {model} is switched off."
    sent = owner.post("/api/v1/chat", json={"message": "Hi", "stream": False})
    assert (sent.status_code, sent.json()["code"]) == (502, "provider_disabled")


def test_what_a_key_asks_is_charged_to_it(acme: Tenant, owner: httpx.Client) -> None:
    assert owner.post(TRY, json={"message": "Hi"}).status_code == 200
    assert owner.post(f"{address(acme)}/test", json={}).status_code == 200
    with entered(acme.scope):
        used = UsageRecord.objects.values_list("kind", "api_key__name")
        assert sorted(used) == [("test", "test"), ("try", "test")]


def test_nobody_waits_for_a_draft_with_a_connection(
    committed: None,
    acme: Tenant,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There are few of them, and an answer takes up to two minutes."""
    point_agent(acme, provider.url)
    held: list[bool] = []

    async def answer(*_: Any) -> NoReturn:
        raise AssertionError

    def waits(_: Any) -> Any:
        held.append(connection.connection is not None)
        return async_to_sync(answer)

    monkeypatch.setattr("chat.services.trying.async_to_sync", waits)
    with entered(acme.scope), pytest.raises(AssertionError):
        agent = Agent.objects.select_related("revision").get()
        try_agent(agent=agent, user=person(acme, "owner"), message="Hi")
    assert held == [False]
