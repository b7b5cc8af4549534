"""Sharing where it is easily forgotten: ways to begin a turn, replies that go on later,
two changes at the same moment, what the log says of a removal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from chat.errors import ForbiddenError
from chat.models import Conversation, Message, Share, ShareEvent
from chat.services import sharing
from chat.services.starting import start_turn
from chat.turns.plan import Send
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import (
    ANSWER,
    ID,
    QUESTION,
    everything,
    make_conversation,
    make_the_one,
)
from tests.chat.talk import CHAT
from tests.clients import TenantClient
from tests.factories import email_of, person, point_agent

ClientFor = Callable[..., TenantClient]
SENDS: dict[str, dict[str, Any]] = {
    "a message": {"text": "Me too"},
    "an edit": {"text": "Me too", "target_id": QUESTION},
    "another answer": {"trigger": "regenerate", "target_id": ANSWER},
    "a continuation": {"trigger": "continue", "target_id": ANSWER},
    "a message below another": {"text": "Me too", "parent_id": QUESTION},
    "a repeated message": {"text": "Of acme", "message_id": QUESTION},
    "leave for a tool": {
        "trigger": "approve",
        "target_id": ANSWER,
        "approvals": (("call-1", True),),
    },
}


@pytest.mark.parametrize("fields", SENDS.values(), ids=SENDS)
def test_a_viewer_begins_no_turn(
    db: None, acme: Tenant, fields: dict[str, Any]
) -> None:
    made = make_the_one(acme)
    point_agent(acme, "http://127.0.0.1:9")
    before = everything(acme)
    with entered(acme.scope):
        sharing.share(user=made.owner, conversation_id=ID, whom="tenant")
        with pytest.raises(ForbiddenError):
            start_turn(
                user=person(acme, "stranger"), send=Send(conversation_id=ID, **fields)
            )
    assert everything(acme) == before


def test_a_reply_that_will_go_on_is_not_shown_or_copied_as_it_is(
    client_for: ClientFor, acme: Tenant
) -> None:
    """Once its tool is allowed it is written on, in the same row."""
    made = make_conversation(acme)
    call = {
        "type": "tool-send_mail",
        "toolCallId": "call-1",
        "state": "approval-requested",
        "input": {},
        "approval": {"id": "approval-1"},
    }
    with entered(acme.scope):
        Message.objects.filter(pk=made.active_leaf_id).update(parts=[call])
    member, path = client_for(acme, "member"), f"{CHAT}/{made.pk}"
    asked = {
        "shares": {"with": "link"},
        "fork": {"message_id": made.active_leaf_id},
    }
    for what, body in asked.items():
        answer = member.call("POST", f"{path}/{what}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "turn_running")
    with entered(acme.scope):
        answered = [call | {"state": "output-denied"}]
        Message.objects.filter(pk=made.active_leaf_id).update(parts=answered)
    for what, body in asked.items():
        assert member.call("POST", f"{path}/{what}", body).status_code == 201


def test_the_log_names_who_removed_what_was_shared(
    client_for: ClientFor, acme: Tenant
) -> None:
    member = client_for(acme, "member")
    kept = [make_conversation(acme) for _ in range(2)]
    for made in kept:
        member.call("POST", f"{CHAT}/{made.pk}/shares", {"with": "tenant"})
    assert member.delete(f"{CHAT}/{kept[0].pk}?purge=true").status_code == 204
    member.call("POST", f"{CHAT}/bulk", {"ids": [kept[1].pk], "action": "delete"})
    with entered(acme.scope):
        removed = ShareEvent.objects.filter(action="removed").order_by("pk")
        told = list(removed.values_list("conversation_id", "actor"))
    assert told == [(made.pk, email_of(acme, "member")) for made in kept]


def test_who_leaves_while_the_share_is_changed_is_let_in_anew(
    committed: None, acme: Tenant
) -> None:
    """Or else the owner would be told of a share that is over."""
    made = make_the_one(acme)
    owner, guest = made.owner, person(acme, "stranger")
    left, answers = threading.Event(), []

    def change() -> None:
        with entered(acme.scope):
            left.wait(10)
            answers.append(
                sharing.share(
                    user=owner,
                    conversation_id=ID,
                    whom=guest.email,
                    role=Share.Role.PARTICIPANT,
                )
            )
        connection.close()

    with entered(acme.scope):
        sharing.share(user=owner, conversation_id=ID, whom=guest.email)
        changing = threading.Thread(target=change)
        changing.start()
        with transaction.atomic():
            sharing.leave(user=guest, conversation_id=ID)
            left.set()
            changing.join(0.5)  # until it waits
        changing.join(20)
        assert [made.is_new for made in answers] == [True]
        assert Conversation.objects.writable_by(guest).filter(pk=ID).exists()
