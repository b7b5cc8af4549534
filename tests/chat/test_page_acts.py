"""The addresses behind the chat page: fragments, buttons of messages, who answers."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from agents.models import Agent
from agents.services import create_agent
from chat.models import Conversation, Message
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.test_pages import change, make_conversation
from tests.clients import TenantClient
from tests.factories import STAND_IN_MODEL, make_provider, point_agent
from tests.provider import Answer, Provider
from tests.servers import LiveServer, session_cookie

ClientFor = Callable[..., TenantClient]


def branched(tenant: Tenant) -> tuple[Conversation, str, str]:
    """A conversation whose question has two replies, with the ids of both."""
    made = make_conversation(tenant)
    first = made.active_leaf
    assert first is not None
    with entered(tenant.scope):
        second = Message.objects.create(
            conversation=made, parent=first.parent, role="assistant", text="other"
        )
        made.active_leaf = second
        made.save()
    return made, first.pk, second.pk


def active_leaf(tenant: Tenant, made: Conversation) -> str | None:
    with entered(tenant.scope):
        return Conversation.objects.get(pk=made.pk).active_leaf_id


def test_nobody_gets_a_fragment_or_a_list(acme: Tenant, client_for: ClientFor) -> None:
    made = make_conversation(acme)
    menu = f"/c/{made.pk}/messages/{made.active_leaf_id}"
    for path in (f"/c/{made.pk}/messages", menu, "/choose"):
        assert client_for(acme).get(path).status_code == 302
    assert client_for(acme).post(f"/c/{made.pk}/acts").status_code == 302


def test_a_strangers_messages_do_not_exist(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    made, first, _ = branched(acme)
    for client in (client_for(acme, "stranger"), client_for(globex, "member")):
        assert client.get(f"/c/{made.pk}/messages").status_code == 404
        assert client.get(f"/c/{made.pk}/messages/{first}").status_code == 404
        for act in ("branch", "delete", "fork", "regenerate", "continue"):
            answer = client.post(f"/c/{made.pk}/acts", {act: first})
            assert answer.status_code == 404
    with entered(acme.scope):
        assert made.messages.count() == 3


def test_parts_of_the_transcript(acme: Tenant, client_for: ClientFor) -> None:
    made = make_conversation(acme, replies=60)
    client = client_for(acme, "member")
    path = f"/c/{made.pk}/messages"
    newest = client.get(path).content.decode()
    assert newest.count("<article") == 100
    assert "Show earlier" in newest
    first = newest.partition('data-message="')[2].partition('"')[0]
    above = client.get(path, {"before": first}).content.decode()
    assert above.count("<article") == 20
    assert "Show earlier" not in above
    leaf = str(made.active_leaf_id)
    last = client.get(path, {"from": leaf}).content.decode()
    assert last.count("<article") == 1
    assert client.get(path, {"from": "nobody-knows-it"}).content.decode() == newest


def test_versions_can_be_chosen_forked_and_deleted(
    acme: Tenant, client_for: ClientFor
) -> None:
    made, first, second = branched(acme)
    client = client_for(acme, "member")
    page = client.get(f"/c/{made.pk}").content.decode()
    assert "<span>2/2</span>" in page
    path = f"/c/{made.pk}/acts"
    answer = client.post(path, {"branch": first})
    assert answer["Location"] == f"/c/{made.pk}?at={first}#message-{first}"
    assert active_leaf(acme, made) == first
    forked = client.post(path, {"fork": first})["Location"]
    assert "<em>r0</em>" in client.get(forked).content.decode()
    assert client.post(path, {"delete": first}).status_code == 302
    assert active_leaf(acme, made) == second


@pytest.mark.parametrize("asked", [{}, {"branch": "nobody-knows"}, {"delete": "\x00"}])
def test_what_is_not_there_is_told_on_the_page(
    acme: Tenant, client_for: ClientFor, asked: dict[str, str]
) -> None:
    made = make_conversation(acme)
    answer = client_for(acme, "member").post(f"/c/{made.pk}/acts", asked)
    assert answer.status_code in {400, 404}
    assert "There is no such message" in answer.content.decode()


def test_a_reply_is_asked_for_again_and_goes_on(
    server: LiveServer, acme: Tenant, provider: Provider
) -> None:
    point_agent(acme, provider.url)
    made = make_conversation(acme)
    change(acme, made.active_leaf, status="stopped")
    provider.enqueue(Answer(text="and more"), Answer(text="anew"))
    with server.client(acme, cookies=session_cookie(acme, "member")) as client:
        for act in ("continue", "regenerate"):
            answer = post(client, f"/c/{made.pk}/acts", **{act: made.active_leaf_id})
            assert answer.headers["Location"] == f"/c/{made.pk}"
            answer = client.get(f"/api/v1/chat/{made.pk}/stream?render=html")
        again = post(client, f"/c/{made.pk}/acts", **{"continue": "nobody-knows"})
        assert again.status_code == 404
    with entered(acme.scope):
        assert made.messages.filter(role="assistant").count() == 3


def test_a_wish_works_without_scripts(
    server: LiveServer, acme: Tenant, provider: Provider
) -> None:
    point_agent(acme, provider.url)
    made = make_conversation(acme)
    reply = made.active_leaf_id
    with server.client(acme, cookies=session_cookie(acme, "member")) as client:
        path = f"/c/{made.pk}/acts"
        for fields in ({"longer": reply}, {"regenerate": reply, "wish": "In verse"}):
            provider.enqueue(Answer(text="anew"))
            assert post(client, path, **fields).status_code == 302
            client.get(f"/api/v1/chat/{made.pk}/stream?render=html")
    wishes = [r.body["messages"][-1]["content"] for r in provider.requests]
    assert [wish.rpartition(": ")[2] for wish in wishes] == ["More detail", "In verse"]


def post(client: httpx.Client, path: str, **fields: str | None) -> httpx.Response:
    token = client.get("/").text.partition('name="csrfmiddlewaretoken" value="')[2][:64]
    return client.post(path, data={**fields, "csrfmiddlewaretoken": token})


def test_the_list_names_agents_and_models_with_what_is_known(
    acme: Tenant, client_for: ClientFor
) -> None:
    make_provider(acme, base_url="http://127.0.0.1:9/v1")
    with entered(acme.scope):
        create_agent(slug="hidden", name="Hidden one", model="local/m", published=False)
        Agent.objects.filter(slug="assistant").update(description="Knows <b>all")
    page = client_for(acme, "member").get("/choose?part=1&agent=assistant")
    shown = page.content.decode()
    assert "Knows &lt;b&gt;all" in shown
    assert f"standin/{STAND_IN_MODEL}" in shown
    assert "free" in shown
    assert 'aria-current="true"' in shown
    assert "Hidden one" not in shown
    assert "<html" not in shown


@pytest.mark.parametrize(
    "query",
    ["?agent=hidden", "?agent=%00", "?model=no/such", "?model=%F0%9F", "?agent=9"],
)
def test_a_choice_that_is_not_there_is_ignored(
    acme: Tenant, client_for: ClientFor, query: str
) -> None:
    answer = client_for(acme, "member").get(f"/{query}")
    # NUL is refused everywhere.
    assert answer.status_code == (400 if "%00" in query else 200)
    assert answer.status_code == 400 or 'value="assistant"' in answer.content.decode()
