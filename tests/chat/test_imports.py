"""Export files as conversations: what is taken, what is reported, what is refused."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from agents.models import Agent
from chat.importing import reading
from chat.models import Conversation, Message
from chat.views import exports
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.export_files import as_zip, chatgpt, claude
from tests.chat.rows import everything, make_conversation
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
    del plain["exported_at"]
    return plain


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


def ours(**changes: Any) -> dict[str, Any]:
    """The smallest file of ours, with changes of its one message."""
    message = {
        "id": "message-1",
        "parent_id": None,
        "role": "user",
        "text": "Hello",
        "parts": [{"type": "text", "text": "Hello"}],
        "status": "complete",
        "usage": {},
        "created_at": "2026-01-01T00:00:00Z",
    } | changes
    return {
        "format": "parley-conversation",
        "version": 1,
        "conversation": {"title": "Mine", "agent": "no-such-agent"},
        "messages": [message],
    }


def in_a_circle() -> dict[str, Any]:
    item = chatgpt()
    item["mapping"]["q2"]["parent"] = "a2"
    return item


def orphaned() -> dict[str, Any]:
    item = chatgpt()
    item["mapping"]["q2"]["parent"] = "gone"
    return item


UNUSABLE = {
    "NUL": ours(text="a\x00b"),
    "too long": ours(text="x" * (1024 * 1024 + 1)),
    "no text": ours(text=["x"]),
    "parts of no kind": ours(parts=[{"type": "data-html", "html": "<script>"}]),
    "parts of text": ours(parts=["x"]),
    "own parent": ours(parent_id="message-1"),
    "no parent": ours(parent_id="message-0"),
    "role": ours(role="system"),
    "status": ours(status=[]),
    "negative": ours(usage={"prompt_tokens": -1}),
    "huge": ours(usage={"total_tokens": 2**31}),
    "true": ours(usage={"total_tokens": True}),
    "cost": ours(usage={"cost": "NaN"}),
    "huge cost": ours(usage={"cost": "1e400"}),
    "year 9999": ours(created_at="9999-01-01T00:00:00Z"),
    "no time": ours(created_at="yesterday"),
    "odd time": ours(created_at=1e300),
    "version": ours() | {"version": 2},
    "messages": ours() | {"messages": {"a": 1}},
    "empty": ours() | {"messages": []},
    "conversation": ours() | {"conversation": None},
    "mapping": chatgpt() | {"mapping": [1]},
    "nodes": chatgpt() | {"mapping": {"a": 1}},
    "circle": in_a_circle(),
    "orphan": orphaned(),
    "time": chatgpt() | {"create_time": "x"},
    "claude": claude() | {"chat_messages": "x"},
    "sender": claude() | {"chat_messages": [{"sender": None}]},
    "twice": claude() | {"chat_messages": claude()["chat_messages"] * 2},
}


@pytest.mark.parametrize("item", UNUSABLE.values(), ids=UNUSABLE)
def test_one_unusable_conversation_is_reported_and_the_others_are_taken(
    client_for: ClientFor, acme: Tenant, item: dict[str, Any]
) -> None:
    answer = send(client_for(acme, "member"), [item, claude()])
    assert answer.status_code == 200, answer.content
    report = answer.json()
    assert report["imported"] == 1
    (skipped,) = report["skipped"]
    assert skipped["title"] in ("Mine", "Sums and pictures", "A shopping list", "")
    assert re.fullmatch(r"[A-Z][^<>{}]{10,90}\.", skipped["reason"])
    with entered(acme.scope):
        assert Conversation.objects.count() == 1


def test_a_running_reply_and_a_shuffled_file_make_a_sound_tree(
    client_for: ClientFor, acme: Tenant
) -> None:
    """The child stands first and is older than its parent."""
    item = ours()
    child = item["messages"][0] | {
        "id": "message-2",
        "parent_id": "message-1",
        "role": "assistant",
        "status": "streaming",
        "created_at": "2025-01-01T00:00:00Z",
        "text": "Hi",
    }
    item["messages"].insert(0, child)
    assert taken(send(client_for(acme, "member"), item)) == 1
    made = newest(acme)
    assert texts(acme, made) == ["Hello", "Hi"]
    with entered(acme.scope):
        assert made.active_leaf is not None
        assert made.active_leaf.status == "interrupted"


# --------------------------------------------------------------- files that are refused


def encrypted() -> bytes:
    """The flag alone, in both headers."""
    raw = bytearray(as_zip({"conversations.json": [claude()]}))
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello",
    "cut off": json.dumps([claude(), chatgpt()]).encode()[:-40],
    "more after it": json.dumps([claude()]).encode() + b"[]",
    "not UTF-8": b'[{"chat_messages": [], "name": "\xff\xfe"}]',
    "deep": b'[{"mapping": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
    "huge number": b'[{"mapping": {}, "create_time": ' + b"9" * 5000 + b"}]",
    "number": b"42",
    "list of numbers": b"[1, 2]",
    "another format": b'{"format": "parley-archive", "conversations": []}',
    "broken zip": as_zip({"conversations.json": [claude()]})[:-30],
    "damaged zip": as_zip({"conversations.json": [claude()]}).replace(b"a", b"b"),
    "other zip": as_zip({"photos/cat.json": [claude()]}),
    "bomb": as_zip({"conversations.json": b"[" + b" " * 10_000_000 + b"]"}),
    "encrypted": encrypted(),
    "broken member": as_zip({"conversations.json": b"[}"}),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_and_changes_nothing(
    client_for: ClientFor, acme: Tenant, content: bytes
) -> None:
    before = everything(acme)
    answer = send(client_for(acme, "member"), content)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_file")
    assert everything(acme) == before


def test_limits_of_a_zip(
    client_for: ClientFor, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_for(acme, "member")
    content = as_zip({f"conversations/{n}.json": ours() for n in range(4)})
    monkeypatch.setattr(reading, "ENTRIES_MAX", 3)
    assert send(client, content).json()["code"] == "invalid_file"
    monkeypatch.undo()
    with override_settings(IMPORT_UNPACKED_FACTOR=0):
        assert send(client, content).json()["code"] == "invalid_file"
    assert taken(send(client, content)) == 4


def test_a_file_over_the_limit_is_a_413(client_for: ClientFor, acme: Tenant) -> None:
    client = client_for(acme, "member")
    large = b" " * (2 * 1024 * 1024)
    assert send(client, large).json()["code"] == "invalid_file"  # may be that large
    with override_settings(IMPORT_MAX_BYTES=1024):
        answer = send(client, large)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    with override_settings(LARGE_REQUESTS={}):
        answer = send(client, large)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_what_is_no_upload_is_refused(client_for: ClientFor, acme: Tenant) -> None:
    client = client_for(acme, "member")
    answer = client.call("POST", IMPORT, {"file": "x"})
    assert (answer.status_code, answer.json()["code"]) == (
        415,
        "unsupported_media_type",
    )
    for body in ({}, {"file": "text"}, {"other": SimpleUploadedFile("x", b"[]")}):
        answer = client.post(IMPORT, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    kind = "multipart/form-data; boundary=x"
    answer = client.generic("POST", IMPORT, b"--x\r\nbroken", content_type=kind)
    assert answer.status_code == 400
    files = {f"f{number}": SimpleUploadedFile("x", b"x") for number in range(150)}
    answer = client.post(IMPORT, files)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")


def test_a_third_import_at_once_has_to_wait(
    client_for: ClientFor, acme: Tenant
) -> None:
    client = client_for(acme, "member")
    for _ in range(exports.IMPORT_LIMIT):
        assert exports._imports.acquire(blocking=False)
    try:
        answer = send(client, [claude()])
    finally:
        exports._imports.release(exports.IMPORT_LIMIT)
    assert (answer.status_code, answer.json()["code"]) == (503, "export_busy")
    assert send(client, b"x").status_code == 400  # and gives its slot back
    assert taken(send(client, [claude()])) == 1


def test_without_an_agent_nothing_is_imported(
    client_for: ClientFor, acme: Tenant
) -> None:
    with entered(acme.scope):
        Agent.objects.update(published=False)
    answer = send(client_for(acme, "member"), [claude()])
    assert (answer.status_code, answer.json()["code"]) == (409, "no_agent")
