"""Calls of tools in exports, and back."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from chat.models import Conversation, Message
from chat.parts import UNFINISHED
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.chat.test_exports import SCHEMA
from tests.chat.test_exports import export as download
from tests.chat.test_imports import ClientFor, export, newest, send, taken, without_ids

EVIL = "<script>alert(1)</script>"
GIVEN = {"expression": "6*7", "more": [1, None, {"a": "ü"}]}


def call(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        **{"type": f"tool-{name}", "toolCallId": f"call_{name}_{len(more)}"},
        **{"state": state, "input": GIVEN, **more},
    }


PARTS: list[dict[str, Any]] = [
    {"type": "reasoning", "text": "Hm."},
    {"type": "text", "text": "Let me see. "},
    call("calculator", "output-available", output=f"42 {EVIL}", durationMs=1250),
    call("docs__add", "output-error", errorText="It failed.", approval={"id": "a-1"}),
    call("docs__no", "output-denied", approval={"id": "a-2", "approved": False}),
    {"type": "step-start"},
    {"type": "text", "text": "It is 42."},
]
PARTS[3]["approval"]["approved"] = True


def make(tenant: Tenant, *more: dict[str, Any]) -> Conversation:
    made = make_conversation(tenant, said=("6*7?", "Let me see. It is 42."))
    with entered(tenant.scope):
        made.messages.filter(role="assistant").update(parts=[*PARTS, *more])
    return made


def test_calls_of_tools_come_back_as_they_were(
    client_for: ClientFor, acme: Tenant
) -> None:
    member = client_for(acme, "member")
    original = export(member, make(acme))
    jsonschema.validate(original, json.loads(SCHEMA.read_text()))
    assert original["messages"][1]["parts"] == PARTS
    assert taken(send(member, original)) == 1
    assert without_ids(export(member, newest(acme))) == without_ids(original)


def test_a_call_that_was_open_has_failed_where_it_is_imported(
    client_for: ClientFor, acme: Tenant
) -> None:
    member = client_for(acme, "member")
    waiting = call("docs__add", "approval-requested", approval={"id": "ask-1"})
    waiting["toolCallId"] = "call_open"
    original = export(member, make(acme, waiting))
    jsonschema.validate(original, json.loads(SCHEMA.read_text()))
    assert taken(send(member, original)) == 1
    copy = newest(acme)
    with entered(acme.scope):
        reply = Message.objects.get(conversation=copy, role="assistant")
    assert reply.parts[-1]["errorText"] == UNFINISHED
    body = {"conversationId": copy.pk, "approvals": [{"id": "ask-1", "approved": True}]}
    answer = member.post("/api/v1/chat", body, content_type="application/json")
    assert answer.status_code == 404


def test_files_for_people_tell_of_tools_and_run_nothing(
    client_for: ClientFor, acme: Tenant
) -> None:
    made = make(acme)
    member = client_for(acme, "member")
    html = download(member, made, "format=html").content.decode()
    assert "calculator: done · 1.2 s" in html
    assert "docs__no: not allowed" in html
    assert "&lt;script&gt;" in html
    assert EVIL not in html
    markdown = download(member, made, "format=markdown").content.decode()
    assert "Called calculator, docs\\_\\_add, docs\\_\\_no" in markdown
