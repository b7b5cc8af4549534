"""The API's conversations: list, detail, change, archive, purge, history."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agents.models import Agent
from chat.errors import TurnRunningError
from chat.models import Conversation, Message
from chat.views import api
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import START, make_conversation, make_message
from tests.chat.talk import CHAT
from tests.clients import TenantClient

CONVERSATION_KEYS = {
    "id",
    "title",
    "agent_id",
    "message_count",
    "total_tokens",
    "last_message_at",
    "last_message_preview",
    "archived",
    "pinned",
    "shared",
    "role",
    "active_leaf",
    "created_at",
    "updated_at",
}
MESSAGE_KEYS = {
    "id",
    "conversation_id",
    "parent_id",
    "sibling_ids",
    "role",
    "author",
    "text",
    "parts",
    "status",
    "model",
    "agent_id",
    "agent_revision",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "estimated",
    "cost",
    "created_at",
}


@pytest.fixture
def member(client_for: Callable[..., TenantClient], acme: Tenant) -> TenantClient:
    return client_for(acme, "member")


def listed(client: TenantClient, query: str = "") -> list[str]:
    answer = client.get(CHAT + query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def many(tenant: Tenant, count: int) -> list[str]:
    """Ids, the newest last message first."""
    made = [
        make_conversation(
            tenant, said=(), last_message_at=START + timedelta(minutes=number)
        ).pk
        for number in range(count)
    ]
    return made[::-1]


def test_a_new_person_has_no_conversations(member: TenantClient) -> None:
    page = {"count": 0, "next": None, "previous": None}
    assert member.get(CHAT).json() == {**page, "results": []}


def test_the_list_shows_the_newest_first_and_nobody_elses(
    member: TenantClient, acme: Tenant, globex: Tenant
) -> None:
    mine = many(acme, 3)
    make_conversation(acme, "stranger")
    make_conversation(globex, "member")
    assert listed(member) == mine


def test_the_list_comes_in_pages(member: TenantClient, acme: Tenant) -> None:
    mine = many(acme, 25)
    first = member.get(CHAT).json()
    assert (first["count"], len(first["results"])) == (25, 20)
    assert first["previous"] is None
    second = member.get(first["next"]).json()
    assert second["next"] is None
    shown = [row["id"] for row in first["results"] + second["results"]]
    assert shown == mine
    assert listed(member, "?limit=3&offset=4") == mine[4:7]
    assert listed(member, "?limit=1000") == mine
    assert listed(member, "?offset=9999") == []


def test_the_list_shows_archived_ones_on_request(
    member: TenantClient, acme: Tenant
) -> None:
    active = make_conversation(acme, last_message_at=START).pk
    archived = make_conversation(
        acme, archived_at=START, last_message_at=START + timedelta(1)
    ).pk
    assert listed(member) == listed(member, "?archived=false") == [active]
    assert listed(member, "?archived=true") == [archived]
    assert listed(member, "?archived=all") == [archived, active]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=1e3",
        "limit=",
        "limit=%D9%A3",  # a digit of another script
        "limit=99999999999999999999999",
        "offset=-1",
        "offset=99999999",
        "offset=9223372036854775808",
        "offset=1.5",
        "archived=maybe",
        "archived=",
    ],
)
def test_nonsense_in_a_query_is_a_400(member: TenantClient, query: str) -> None:
    answer = member.get(f"{CHAT}?{query}")
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "invalid"
    assert body["fields"].keys() == {query.partition("=")[0]}


def test_the_detail_has_the_contracts_keys(member: TenantClient, acme: Tenant) -> None:
    made = make_conversation(acme)
    row = member.get(CHAT).json()["results"][0]
    assert row.keys() == CONVERSATION_KEYS
    found = member.get(f"{CHAT}/{made.pk}").json()
    assert found.keys() == CONVERSATION_KEYS | {"messages"}
    assert {key: found[key] for key in CONVERSATION_KEYS} == row
    assert found["messages"].keys() == {"count", "next", "previous", "results"}
    answer, question = found["messages"]["results"]
    assert answer.keys() == question.keys() >= MESSAGE_KEYS
    assert (question["role"], question["text"]) == ("user", "Question")
    assert question["parent_id"] is None
    assert question["agent_id"] is question["agent_revision"] is None
    assert (answer["role"], answer["parent_id"]) == ("assistant", question["id"])
    assert answer["conversation_id"] == made.pk
    assert (answer["agent_id"], answer["agent_revision"]) == (str(made.agent_id), 1)
    assert answer["sibling_ids"] == [answer["id"]]


def test_the_messages_come_in_pages_newest_first(
    member: TenantClient, acme: Tenant
) -> None:
    said = tuple(f"m{number}" for number in range(30))
    made = make_conversation(acme, said=said)
    first = member.get(f"{CHAT}/{made.pk}").json()["messages"]
    assert (first["count"], len(first["results"])) == (30, 20)
    second = member.get(first["next"]).json()["messages"]
    shown = [row["text"] for row in first["results"] + second["results"]]
    assert shown == list(said[::-1])
    some = member.get(f"{CHAT}/{made.pk}?limit=2&offset=1").json()["messages"]
    assert [row["text"] for row in some["results"]] == ["m28", "m27"]


def test_the_detail_shows_the_active_branch_or_all(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme, said=("Q1", "A1", "Q2"))
    with entered(acme.scope):
        question, reply, _ = made.messages.order_by("created_at")
        other = make_message(made, "Q2 b", reply, number=5)
        Conversation.objects.filter(pk=made.pk).update(active_leaf=other)

    def texts(query: str) -> list[str]:
        page = member.get(f"{CHAT}/{made.pk}{query}").json()["messages"]
        return [row["text"] for row in page["results"]]

    assert texts("") == texts("?branch=active") == ["Q2 b", "A1", "Q1"]
    assert texts("?branch=all") == ["Q2 b", "Q2", "A1", "Q1"]
    refused = member.get(f"{CHAT}/{made.pk}?branch=some")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert question.pk != reply.pk


def test_the_history_is_what_an_ai_sdk_client_keeps(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme, said=("Hello", "Hi"))
    with entered(acme.scope):
        Message.objects.filter(role="assistant").update(
            prompt_tokens=3, completion_tokens=2, total_tokens=5
        )
    question, reply = member.get(f"{CHAT}/{made.pk}/messages").json()
    assert question.keys() == {"id", "role", "parts", "metadata"}
    author = {"id": made.owner_id, "name": "member@acme.test"}
    assert question["metadata"] == {"author": author}
    assert question["parts"] == [{"type": "text", "text": "Hello"}]
    assert (question["role"], reply["role"]) == ("user", "assistant")
    assert reply["parts"] == [
        {"type": "step-start"},
        {"type": "text", "text": "Hi", "state": "done"},
    ]
    assert reply["metadata"]["usage"] == {
        "inputTokens": 3,
        "outputTokens": 2,
        "totalTokens": 5,
    }


def patch(client: TenantClient, made: Conversation, body: object) -> Any:
    return client.call("PATCH", f"{CHAT}/{made.pk}", body)


def test_a_title_can_be_chosen(member: TenantClient, acme: Tenant) -> None:
    made = make_conversation(acme)
    answer = patch(member, made, {"title": "Better  title", "unknown": 1})
    assert answer.status_code == 200
    assert answer.json()["title"] == "Better  title"
    assert member.get(f"{CHAT}/{made.pk}").json()["title"] == "Better  title"
    with entered(acme.scope):
        made.refresh_from_db()
    assert made.title_set_at is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"title": ["x"]}, "title"),
        ({"title": None}, "title"),
        ({"archived": "perhaps"}, "archived"),
        ({"archived": None}, "archived"),
        ({"agent_id": "nobody"}, "agent_id"),
        ({"agent_id": "9" * 40}, "agent_id"),
        ({"agent_id": {}}, "agent_id"),
        ({"title": "kept?", "agent_id": "nobody"}, "agent_id"),
    ],
    ids=str,
)
def test_a_wrong_change_is_refused_as_a_whole(
    member: TenantClient, acme: Tenant, body: object, field: str
) -> None:
    made = make_conversation(acme)
    answer = patch(member, made, body)
    assert answer.status_code == 400
    assert answer.json()["fields"].keys() == {field}
    assert member.get(f"{CHAT}/{made.pk}").json()["title"] == "A title"


def test_a_change_that_has_to_wait_is_refused_as_a_whole(
    member: TenantClient, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archiving stops a turn first, which may not come to its end."""
    made = make_conversation(acme)

    def never(conversation_id: str) -> None:
        raise TurnRunningError

    monkeypatch.setattr(api, "stop_turns_and_wait", never)
    before = member.get(f"{CHAT}/{made.pk}").json()
    answer = patch(member, made, {"title": "Half", "pinned": True, "archived": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "turn_running")
    assert member.get(f"{CHAT}/{made.pk}").json() == before


@pytest.mark.parametrize("body", [[], "x", 1, None, [{"title": "x"}]], ids=str)
def test_a_change_must_be_an_object(
    member: TenantClient, acme: Tenant, body: object
) -> None:
    made = make_conversation(acme)
    path = f"{CHAT}/{made.pk}"
    raw = json.dumps(body)
    answer = member.generic("PATCH", path, raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"


def test_the_agent_can_be_changed_to_a_published_one(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme)
    with entered(acme.scope):
        poet = Agent.objects.create(slug="poet", name="Poet", published=True)
        draft = Agent.objects.create(slug="draft", name="Draft", published=False)
    changed = patch(member, made, {"agent_id": "poet"})
    assert changed.json()["agent_id"] == str(poet.pk)
    for reference in ("draft", str(draft.pk)):
        refused = patch(member, made, {"agent_id": reference})
        assert refused.status_code == 400
    assert member.get(f"{CHAT}/{made.pk}").json()["agent_id"] == str(poet.pk)


def test_archive_and_restore(member: TenantClient, acme: Tenant) -> None:
    made = make_conversation(acme)
    path = f"{CHAT}/{made.pk}"

    def archived() -> bool:
        found: bool = member.get(path).json()["archived"]
        return found

    for body, expected in ((None, True), ({"archived": False}, False), ({}, True)):
        answer = member.call("POST", f"{path}/archive", body)
        assert answer.status_code == 200, answer.content
        assert answer.json()["archived"] is archived() is expected
    patch(member, made, {"archived": False})
    assert archived() is False
    assert member.call("POST", f"{path}/archive", {"archived": []}).status_code == 400


def test_delete_archives_and_may_be_repeated(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme)
    path = f"{CHAT}/{made.pk}"
    for _ in range(2):
        answer = member.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
    assert member.get(path).json()["archived"] is True
    assert listed(member) == []


def test_purge_removes_for_good(member: TenantClient, acme: Tenant) -> None:
    made = make_conversation(acme, said=("Q", "A", "Q", "A"))
    kept = make_conversation(acme)
    path = f"{CHAT}/{made.pk}"
    assert member.delete(f"{path}?purge=maybe").status_code == 400
    assert member.delete(f"{path}?purge=true").status_code == 204
    assert member.get(path).status_code == 404
    assert member.delete(f"{path}?purge=true").status_code == 404
    with entered(acme.scope):
        assert Message.objects.count() == 2
    assert listed(member) == [kept.pk]
