"""Conversations shared with people and with everybody: what each may do there, and that
nothing of it is left when a share has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from chat.models import Conversation, Message, Share, ShareEvent
from chat.services import sharing
from chat.services.conversations import remove
from chat.services.starting import start_turn
from chat.turns.plan import Send
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import ANSWER, ID, make_conversation, make_the_one
from tests.chat.talk import CHAT
from tests.clients import TenantClient
from tests.factories import email_of, make_key, person, point_agent

ClientFor = Callable[..., TenantClient]
SHARES = f"{CHAT}/{ID}/shares"


@pytest.fixture
def member(client_for: ClientFor, acme: Tenant) -> TenantClient:
    """Whose conversation it is."""
    make_the_one(acme)
    return client_for(acme, "member")


@pytest.fixture
def guest(client_for: ClientFor, acme: Tenant) -> TenantClient:
    return client_for(acme, "stranger")


def share(member: TenantClient, whom: str = "stranger@acme.test", **more: Any) -> Any:
    answer = member.call("POST", SHARES, {"with": whom, **more})
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()


def status(client: TenantClient, method: str, path: str, body: object = None) -> int:
    code: int = client.call(method, f"{CHAT}/{ID}{path}", body).status_code
    return code


READS = ["", "/messages", "/export?format=json", "/export?format=html"]


def reads(client: TenantClient) -> set[int]:
    """Of all that shows a conversation, and of what finds it."""
    found = {status(client, "GET", path) for path in READS}
    listed = client.get(f"{CHAT}?shared=true").json()["results"]
    hits = client.get("/api/v1/search?q=acme").json()["results"]
    found |= {200 if listed else 404, 200 if hits else 404}
    return found | {client.get(f"/c/{ID}").status_code}


@pytest.mark.parametrize("whom", ["stranger@acme.test", "tenant"])
def test_a_viewer_reads_and_does_nothing_else(
    member: TenantClient, guest: TenantClient, whom: str
) -> None:
    share(member, whom)
    assert reads(guest) == {200}
    shown = guest.get(f"{CHAT}/{ID}").json()
    assert (shown["shared"], shown["role"]) == (True, "viewer")
    assert guest.get(CHAT).json()["results"] == [], "that list is of one's own"
    refused = [
        ("PATCH", "", {"title": "Taken over"}),
        ("PATCH", "", {"active_leaf": ANSWER}),
        ("DELETE", "", None),
        ("POST", "/archive", None),
        ("POST", "/stop", None),
        ("DELETE", f"/messages/{ANSWER}", None),
        ("GET", "/shares", None),
        ("POST", "/shares", {"with": "tenant"}),
        ("DELETE", "/shares/share-000001", None),
    ]
    for method, path, body in refused:
        assert status(guest, method, path, body) == 403, (method, path)
    assert status(guest, "POST", "/fork", {"message_id": ANSWER}) == 201


def test_a_participant_changes_the_branch_and_no_more(
    member: TenantClient, guest: TenantClient
) -> None:
    share(member, role="participant")
    assert guest.get(f"{CHAT}/{ID}").json()["role"] == "participant"
    assert status(guest, "PATCH", "", {"active_leaf": ANSWER}) == 200
    assert status(guest, "POST", "/stop") == 204
    assert status(guest, "PATCH", "", {"title": "Taken over"}) == 403
    assert status(guest, "DELETE", f"/messages/{ANSWER}") == 403


def test_a_participants_message_is_theirs_and_the_agent_stays(
    member: TenantClient, acme: Tenant
) -> None:
    share(member, role="participant")
    point_agent(acme, "http://127.0.0.1:9")
    with entered(acme.scope):
        guest = person(acme, "stranger")
        send = Send(text="Me too", conversation_id=ID)
        plan = start_turn(user=guest, send=send)
        question = Message.objects.get(pk=plan.user_message_id)
        assert (question.author, plan.user_id) == (guest, guest.pk)
    row = member.get(f"{CHAT}/{ID}").json()["messages"]["results"][1]
    assert row["author"] == {"id": guest.pk, "name": "stranger@acme.test"}
    told = member.get(f"{CHAT}/{ID}/messages").json()
    names = [m["metadata"]["author"]["name"] for m in told if m["role"] == "user"]
    assert names == ["member@acme.test", "stranger@acme.test"]
    exported = member.get(f"{CHAT}/{ID}/export?format=markdown").content.decode()
    assert "stranger@acme" in exported.replace("\\", "")


def revoked(member: TenantClient, guest: TenantClient, made: Any) -> None:
    assert member.call("DELETE", f"{SHARES}/{made['id']}").status_code == 204
    assert member.call("DELETE", f"{SHARES}/{made['id']}").status_code == 404


def left(member: TenantClient, guest: TenantClient, made: Any) -> None:
    assert status(guest, "POST", "/leave") == 204
    assert status(guest, "POST", "/leave") == 404


def ended_by_the_guest(member: TenantClient, guest: TenantClient, made: Any) -> None:
    assert guest.call("DELETE", f"{SHARES}/{made['id']}").status_code == 204


def expired(member: TenantClient, guest: TenantClient, made: Any) -> None:
    Share.objects.update(expires_at=timezone.now())


@pytest.mark.parametrize("end", [revoked, left, ended_by_the_guest, expired])
def test_when_a_share_has_ended_nothing_is_there(
    member: TenantClient,
    guest: TenantClient,
    acme: Tenant,
    end: Callable[[TenantClient, TenantClient, Any], None],
) -> None:
    made = share(member, role="participant")
    assert reads(guest) == {200}
    with entered(acme.scope):
        end(member, guest, made)
    assert reads(guest) == {404}
    for method, path in (("POST", "/stop"), ("DELETE", ""), ("GET", "/shares")):
        assert status(guest, method, path) == 404
    assert member.get(f"{CHAT}/{ID}").json()["shared"] is False
    share(member)
    assert reads(guest) == {200}


def test_who_is_switched_off_is_let_in_nowhere(
    member: TenantClient, client_for: ClientFor, acme: Tenant
) -> None:
    share(member)
    key = f"Bearer {make_key(acme, 'stranger')}"
    program = client_for(acme, HTTP_AUTHORIZATION=key)
    assert program.get(f"{CHAT}/{ID}").status_code == 200
    with entered(acme.scope):
        User.objects.filter(pk=person(acme, "stranger").pk).update(is_active=False)
    assert program.get(f"{CHAT}/{ID}").status_code == 401


def test_everybody_is_everybody_of_one_tenant(
    member: TenantClient, client_for: ClientFor, globex: Tenant
) -> None:
    share(member, "tenant", role="participant")
    for name in ("member", "owner", "stranger"):
        assert reads(client_for(globex, name)) == {404}


def test_nobody_leaves_what_is_everybodys(
    member: TenantClient, guest: TenantClient
) -> None:
    assert status(guest, "POST", "/leave") == 404
    share(member, "tenant")
    assert status(guest, "POST", "/leave") == 403
    assert status(member, "POST", "/leave") == 403
    share(member)
    assert status(guest, "POST", "/leave") == 204
    assert reads(guest) == {200}


def test_the_owner_sees_with_whom_it_is_shared(member: TenantClient) -> None:
    later = (timezone.now() + timedelta(days=1)).isoformat()
    first = share(member, "STRANGER@acme.test", expires_at=later)
    assert first["with"] == "stranger@acme.test"
    assert (first["role"], datetime.fromisoformat(first["expires_at"])) == (
        "viewer",
        datetime.fromisoformat(later),
    )
    again = share(member, role="participant")
    assert (again["id"], again["expires_at"]) == (first["id"], None)
    share(member, "tenant")
    rows = member.get(SHARES).json()["results"]
    assert [(row["with"], row["role"]) for row in rows] == [
        ("stranger@acme.test", "participant"),
        ("tenant", "viewer"),
    ]
    assert all("url" not in row for row in rows)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "with"),
        ({"with": "nobody@acme.test"}, "with"),
        ({"with": "member@acme.test"}, "with"),
        ({"with": "stranger@globex.test"}, "with"),
        ({"with": ["tenant"]}, "with"),
        ({"with": "tenant", "role": "owner"}, "role"),
        ({"with": "link", "role": "participant"}, "role"),
        ({"with": "tenant", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"with": "tenant", "expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"with": "tenant", "expires_at": 10**30}, "expires_at"),
    ],
)
def test_a_share_that_makes_no_sense_is_refused(
    member: TenantClient, body: dict[str, Any], field: str
) -> None:
    answer = member.call("POST", SHARES, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["fields"]) == [field]
    assert member.get(SHARES).json()["count"] == 0


def test_there_is_an_end_to_sharing(
    member: TenantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "SHARES_MAX", 2)
    share(member, "tenant")
    share(member)
    share(member, role="participant")
    answer = member.call("POST", SHARES, {"with": "link"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_shares")


def test_the_log_tells_admins_all_of_it_and_outlives_the_conversation(
    member: TenantClient, guest: TenantClient, client_for: ClientFor, acme: Tenant
) -> None:
    made = share(member)
    share(member, role="participant")
    share(member, "tenant")
    link = share(member, "link")
    guest.call("DELETE", f"{SHARES}/{made['id']}")
    member.call("DELETE", f"{SHARES}/{link['id']}")
    with entered(acme.scope):
        remove(conversation_id=ID, by=None)
        assert not Share.objects.exists()
        rows = ShareEvent.objects.order_by("pk")
        told = list(rows.values_list("action", "actor", "whom", "role"))
    me, you = email_of(acme, "member"), email_of(acme, "stranger")
    assert told == [
        ("shared", me, you, "viewer"),
        ("changed", me, you, "participant"),
        ("shared", me, "tenant", "viewer"),
        ("shared", me, "link", "viewer"),
        ("left", you, you, "participant"),
        ("revoked", me, "link", "viewer"),
        ("removed", "", "tenant", "viewer"),
    ]
    log = "/admin/chat/shareevent/"
    page = client_for(acme, "owner").get(log).content.decode()
    assert page.count(ID) >= len(told)
    assert client_for(acme, "owner").get(f"{log}add/").status_code == 403
    assert guest.get(log).status_code != 200


def test_a_shared_conversation_is_still_found_among_many(
    client_for: ClientFor, acme: Tenant
) -> None:
    """The lists hold what they say, each conversation once."""
    own = make_conversation(acme, "stranger", last_message_at=datetime.now(UTC))
    member = client_for(acme, "member")
    make_the_one(acme)
    make_conversation(acme)
    share(member)
    share(member, "tenant")
    guest = client_for(acme, "stranger")
    assert [row["id"] for row in guest.get(CHAT).json()["results"]] == [own.pk]
    rows = guest.get(f"{CHAT}?shared=true").json()["results"]
    assert [row["id"] for row in rows] == [ID]
    with entered(acme.scope):
        visible = Conversation.objects.visible_to(person(acme, "stranger"))
        assert sorted(visible.values_list("pk", flat=True)) == sorted([own.pk, ID])
