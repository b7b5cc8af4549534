"""Import files that are broken, hostile or too large, and conversations in them that
cannot be taken."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from agents.models import Agent
from chat.importing import reading
from chat.models import Conversation
from chat.services import importing
from chat.views import exports
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.export_files import as_zip, chatgpt, claude
from tests.chat.rows import everything
from tests.chat.test_imports import IMPORT, ClientFor, newest, send, taken, texts
from tests.factories import person


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


def in_a_circle_of_our_own() -> dict[str, Any]:
    item = ours()
    (first,) = item["messages"]
    for key, parent in (("message-2", "message-3"), ("message-3", "message-2")):
        item["messages"].append(first | {"id": key, "parent_id": parent})
    return item


def of_many_versions() -> dict[str, Any]:
    """Each of them would be shown with the ids of all."""
    item = ours()
    (first,) = item["messages"]
    item["messages"] = [first | {"id": f"message-{n}"} for n in range(1001)]
    return item


CALL: dict[str, Any] = {
    "type": "tool-calculator",
    "toolCallId": "call_1",
    "state": "output-available",
    "input": {},
    "output": "42",
}
WRONG: dict[str, dict[str, Any]] = {
    "no name": {"type": "tool-"},
    "an odd name": {"type": "tool-a b"},
    "a number for a type": {"type": 5},
    "no id": {"toolCallId": None},
    "an odd id": {"toolCallId": "a b"},
    "no state": {"state": None},
    "an odd state": {"state": ["output-available"]},
    "no output": {"output": None},
    "a list for output": {"output": ["x"]},
    "NUL in its output": {"output": "\x00"},
    "an odd approval": {"approval": "yes"},
    "an approval without an id": {"approval": {"approved": True}},
}
WRONG_CALLS = {
    f"a call with {what}": ours(role="assistant", parts=[{**CALL, **wrong}])
    for what, wrong in WRONG.items()
}
UNUSABLE = {
    "versions": of_many_versions(),
    "our circle": in_a_circle_of_our_own(),
    "NUL": ours(text="a\x00b"),
    "too long": ours(text="x" * (1024 * 1024 + 1)),
    "no text": ours(text=["x"]),
    "parts of no kind": ours(parts=[{"type": "data-html", "html": "<script>"}]),
    "parts of text": ours(parts=["x"]),
    **WRONG_CALLS,
    "two calls with one id": ours(role="assistant", parts=[CALL, CALL]),
    "a user's call": ours(parts=[CALL]),
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
    "parent": chatgpt() | {"mapping": {"a": {"parent": []}}},
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


def flagged(bit: int) -> bytes:
    """An entry's flag alone, in both headers."""
    raw = bytearray(as_zip({"conversations.json": [claude()]}))
    raw[6] |= bit
    raw[raw.index(b"PK\x01\x02") + 8] |= bit
    return bytes(raw)


def of_a_later_version() -> bytes:
    raw = bytearray(as_zip({"conversations.json": [claude()]}))
    raw[raw.index(b"PK\x01\x02") + 6] = 255
    return bytes(raw)


def packed_otherwise() -> bytes:
    """With a method whose damages are errors of another kind."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("conversations.json", json.dumps([claude()]))
    return file.getvalue()


def before_its_beginning() -> bytes:
    """The list of entries is longer, as it says, than it is."""
    raw = bytearray(as_zip({"conversations.json": [claude()]}))
    end = raw.index(b"PK\x05\x06")
    (place,) = struct.unpack_from("<L", raw, end + 16)
    struct.pack_into("<L", raw, end + 16, place + 1000)
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
    "encrypted": flagged(0x01),
    "encrypted strongly": flagged(0x40),
    "a patch": flagged(0x20),
    "of a later version": of_a_later_version(),
    "packed otherwise": packed_otherwise(),
    "before its beginning": before_its_beginning(),
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


def test_a_conversation_that_would_fill_the_memory_is_refused(
    client_for: ClientFor, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is made large, and wherever it stands; many small ones may be more."""
    client = client_for(acme, "member")
    many = [claude() | {"padding": ["x" * 100] * 20} for _ in range(100)]
    large = {"text": ["x" * 400_000], "values": [[[]] * 5_000]}
    monkeypatch.setattr(reading, "ITEM_BYTES_MAX", 140_000)
    monkeypatch.setattr(reading, "ITEM_EVENTS_MAX", 5_000)
    for padding in large.values():
        item = claude() | {"padding": padding}
        for content in ([*many, item], item, as_zip({"conversations.json": [item]})):
            answer = send(client, content)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_file")
            assert "too large" in answer.json()["detail"]
    assert taken(send(client, many)) == 100


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


def test_an_agent_that_is_deleted_meanwhile_is_replaced(
    committed: None, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with entered(acme.scope):
        agent = Agent.objects.get(slug="assistant")
        gone = Agent.objects.create(
            slug="gone", name="Gone", revision=agent.revision, published=True
        )
        read = reading.read_conversations

        def deleting(file: Any) -> Iterator[Any]:
            for each in read(file):
                Agent.objects.filter(pk=gone.pk).delete()
                yield each

        monkeypatch.setattr(importing, "read_conversations", deleting)
        item = ours()
        item["conversation"]["agent"] = "gone"
        file = io.BytesIO(json.dumps(item).encode())
        report = importing.import_file(owner=person(acme, "member"), file=file)
        assert report == {"imported": 1, "skipped": []}
        assert Conversation.objects.get().agent == agent


def test_without_an_agent_nothing_is_imported(
    client_for: ClientFor, acme: Tenant
) -> None:
    with entered(acme.scope):
        Agent.objects.update(published=False)
    answer = send(client_for(acme, "member"), [claude()])
    assert (answer.status_code, answer.json()["code"]) == (409, "no_agent")
