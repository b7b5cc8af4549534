"""Export files as conversations: what is taken, what is reported, what is refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from chat.models import Conversation, Message
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.export_files import as_zip, chatgpt, claude
from tests.chat.rows import START, make_conversation
from tests.chat.test_exports import make_tree
from tests.clients import TenantClient
from tests.factories import make_key, person
from tests.servers import LiveServer
from usage.models import UsageRecord

ClientFor = Callable[..., TenantClient]
IMPORT = "/api/v1/import"


def send(client: TenantClient, content: object, name: str = "export.json") -> Any:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return client.post(IMPORT, {"file": SimpleUploadedFile(name, raw)})


def taken(answer: Any) -> int:
    assert answer.status_code == 200, answer.content
    assert answer.json()["skipped"] == []
    count: int = answer.json()["imported"]
    return count


def newest(tenant: Tenant, name: str = "member") -> Conversation:
    with entered(tenant.scope):
        found = Conversation.objects.filter(owner=person(tenant, name))
        return found.latest("id")


def texts(tenant: Tenant, conversation: Conversation) -> list[str]:
    """The active branch."""
    with entered(tenant.scope):
        leaf = conversation.active_leaf_id
        branch = Message.objects.path_to(leaf, conversation)
        return [message.text for message in branch]


def export(client: TenantClient, conversation: Conversation) -> dict[str, Any]:
    path = f"/api/v1/chat/{conversation.pk}/export?format=json&branch=all"
    document: dict[str, Any] = json.loads(client.get(path).content)
    return document


def without_ids(document: dict[str, Any]) -> dict[str, Any]:
    """Ids by their order, and without what an import makes anew."""
    text = json.dumps(document)
    for number, message in enumerate(document["messages"]):
        text = text.replace(message["id"], f"message-{number}")
    plain: dict[str, Any] = json.loads(text)
    for gone in ("id", "owner", "total_tokens"):
        del plain["conversation"][gone]
    for message in plain["messages"]:
        del message["author"]  # becomes whoever imports it
    archived = plain["conversation"]["archived_at"]
    plain["conversation"]["archived_at"] = archived is not None
    del plain["exported_at"]
    return plain


def test_what_others_wrote_is_nobodys_in_an_import(
    client_for: ClientFor, acme: Tenant
) -> None:
    original = export(client_for(acme, "member"), make_tree(acme))
    said = [m for m in original["messages"] if m["role"] == "user"]
    said[0]["author"] = "stranger@acme.test"
    assert taken(send(client_for(acme, "stranger"), original)) == 1
    with entered(acme.scope):
        messages = newest(acme, "stranger").messages.filter(role="user")
        assert not messages.filter(text=said[0]["text"]).exclude(author=None).exists()


def test_our_own_json_comes_back_as_it_was(client_for: ClientFor, acme: Tenant) -> None:
    made = make_tree(acme)
    with entered(acme.scope):
        Conversation.objects.filter(pk=made.pk).update(total_tokens=1234)
        made.archive()
    original = export(client_for(acme, "member"), made)
    friend = client_for(acme, "stranger")
    assert taken(send(friend, original)) == 1
    copy = newest(acme, "stranger")
    again = export(friend, copy)
    assert without_ids(again) == without_ids(original)
    ids = {message["id"] for message in original["messages"]}
    assert not ids & {message["id"] for message in again["messages"]}
    assert (copy.total_tokens, copy.message_count) == (0, 3)
    with entered(acme.scope):
        assert not UsageRecord.objects.exists()


def test_what_another_tenant_exported_names_no_revision_of_this_one(
    client_for: ClientFor, acme: Tenant, globex: Tenant
) -> None:
    """Its agent has the same slug and number and is another one all the same."""
    original = export(client_for(globex, "member"), make_tree(globex))
    assert taken(send(client_for(acme, "member"), original)) == 1
    with entered(acme.scope):
        assert not Message.objects.exclude(agent_revision=None).exists()
        assert newest(acme).agent.slug == "assistant"
    with entered(globex.scope):
        assert Conversation.objects.count() == 1


@pytest.mark.parametrize("packed", [False, True])
def test_chatgpts_file_is_read(
    client_for: ClientFor, acme: Tenant, packed: bool
) -> None:
    content: object = [chatgpt()]
    if packed:
        content = as_zip(
            {"conversations-000.json": content, "user.json": {}, "chat.html": b"<"}
        )
    assert taken(send(client_for(acme, "member"), content)) == 1
    made = newest(acme)
    assert texts(acme, made) == [
        "What is 6 times 7?",
        "*[Tool: python]*\n\nIt is **42**.",
    ]
    with entered(acme.scope):
        assert made.title == "Sums and pictures"
        rows = {message.text: message for message in made.messages.all()}
        earlier = rows["[Image]\n\nWhat is this?"]
        assert earlier.parent is None and rows["A picture."].parent == earlier
        reply = made.active_leaf
        assert reply is not None
        assert (reply.model, reply.status) == ("gpt-4o", "complete")
        assert reply.created_at.isoformat() == "2025-01-07T00:25:12.250000+00:00"
        assert made.last_message_at == reply.created_at


@pytest.mark.parametrize("packed", [False, True])
def test_claudes_file_is_read(
    client_for: ClientFor, acme: Tenant, packed: bool
) -> None:
    content: object = [claude()]
    if packed:
        content = as_zip({"data/conversations.json": content, "users.json": []})
    assert taken(send(client_for(acme, "member"), content)) == 1
    made = newest(acme)
    assert texts(acme, made) == [
        "What is on it?\n\n[Attachment: notes.txt]\nBuy milk.",
        "*[Tool: artifacts]*\n\nOnly milk.",
    ]
    assert (made.title, made.message_count) == ("A shopping list", 3)


def test_an_older_claude_file_is_one_branch(
    client_for: ClientFor, acme: Tenant
) -> None:
    old = claude()
    for message in old["chat_messages"]:
        del message["parent_message_uuid"], message["content"]
        message["text"] = message["uuid"]
    assert taken(send(client_for(acme, "member"), old)) == 1
    assert texts(acme, newest(acme))[1:] == ["m2", "m3", "m4"]


def test_whatever_we_exported_can_be_imported(
    client_for: ClientFor, acme: Tenant
) -> None:
    """Long error codes, costs next to nothing, and lines that pack very tightly."""
    made = make_conversation(acme, said=("-" * 60_000, "=" * 60_000, "." * 60_000))
    with entered(acme.scope):
        made.messages.update(
            status="failed",
            error_code="provider_context_exceeded",
            cost=Decimal("1e-10"),
        )
    member = client_for(acme, "member")
    document = export(member, made)
    content = as_zip({"conversations/a.json": document})
    assert taken(send(member, content)) == 1
    assert without_ids(export(member, newest(acme))) == without_ids(document)
    for cost in ("1e-400000000", "0e400000000"):
        document["messages"][0]["usage"]["cost"] = cost
        assert taken(send(member, document)) == 1
        with entered(acme.scope):
            assert newest(acme).messages.filter(cost=0).count() == 1


def test_what_was_archived_long_ago_elsewhere_is_archived_here_today(
    client_for: ClientFor, acme: Tenant
) -> None:
    """Or else the tenant's retention would remove it as soon as it came."""
    made = make_conversation(acme, archived_at=START)
    client = client_for(acme, "member")
    assert taken(send(client, export(client, made))) == 1
    copy = newest(acme)
    assert copy.archived_at is not None
    assert copy.archived_at > START + timedelta(days=1)


def test_all_my_conversations_go_into_a_zip_and_back(
    server: LiveServer, acme: Tenant
) -> None:
    first = make_conversation(acme, title="First")
    make_conversation(acme, title="Second")
    make_conversation(acme, "owner", title="Somebody else's")
    with entered(acme.scope):
        first.archive()
    with server.client(acme, "member") as member:
        answer = member.get("/api/v1/export")
        assert answer.headers["content-type"] == "application/zip"
        assert "attachment" in answer.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
            assert packed.testzip() is None
            manifest = json.loads(packed.read("manifest.json"))
        names = [row["title"] for row in manifest["conversations"]]
        assert sorted(names) == ["First", "Second"]
        report = member.post(IMPORT, files={"file": answer.content})
        assert report.json() == {"imported": 2, "skipped": []}
        assert member.get("/api/v1/chat?archived=all").json()["count"] == 4
    with server.client(acme, "stranger") as stranger:
        empty = stranger.get("/api/v1/export")
        with zipfile.ZipFile(io.BytesIO(empty.content)) as packed:
            assert packed.namelist() == ["manifest.json"]


# ------------------------------------------------------------------- who may do it


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/export"), ("POST", IMPORT)]
)
def test_nobody_exports_or_imports_without_signing_in(
    client_for: ClientFor, acme: Tenant, globex: Tenant, method: str, path: str
) -> None:
    foreign = {"HTTP_AUTHORIZATION": f"Bearer {make_key(globex, 'member')}"}
    for extra in ({}, foreign):
        answer = client_for(acme).call(method, path, **extra)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


# ----------------------------------------------------- conversations that are left out
