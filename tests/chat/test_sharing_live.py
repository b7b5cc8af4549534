"""A shared conversation on a live server: all who may see it hear and read a turn while
it is written, and who is sent away does not any more."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tenants.db import entered
from tenants.models import Tenant
from tests.chat.talk import CHAT, Talk
from tests.factories import person
from tests.provider import Answer, Provider
from tests.servers import LiveServer, host_of, session_cookie
from usage.models import UsageRecord

SLOW = Answer(tokens=4000, pace=20)


@contextmanager
def news(talk: Talk, name: str) -> Iterator[ClientConnection]:
    """The socket of one of the cast, once it listens."""
    cookie = session_cookie(talk.tenant, name)
    address = f"{host_of(talk.tenant)}:{talk.server.port}"
    with connect(
        f"ws://{address}/ws/news",
        sock=socket.create_connection(("127.0.0.1", talk.server.port)),
        origin=Origin(f"http://{address}"),
        additional_headers={
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookie.items())
        },
        proxy=None,
    ) as listening:
        hear(listening)
        yield listening


def hear(listening: ClientConnection) -> list[dict[str, Any]]:
    """What has come by now."""
    listening.send(json.dumps({"type": "ping"}))
    heard: list[dict[str, Any]] = []
    while True:
        heard.append(json.loads(listening.recv(20)))
        if heard[-1]["type"] == "pong":
            return heard[:-1]


@pytest.fixture
def guest(
    server: LiveServer, acme: Tenant, provider: Provider, talk: Talk
) -> Iterator[Talk]:
    with Talk(server, acme, provider, "stranger") as person:
        yield person


def share(talk: Talk, conversation_id: str, role: str) -> str:
    body = {"with": "stranger@acme.test", "role": role}
    answer = talk.client.post(f"{CHAT}/{conversation_id}/shares", json=body)
    assert answer.is_success, answer.text
    found: str = answer.json()["id"]
    return found


def test_a_participants_turn_is_heard_read_and_charged_to_them(
    talk: Talk, guest: Talk, acme: Tenant
) -> None:
    conversation = talk.send().conversation_id
    share(talk, conversation, "participant")
    talk.provider.enqueue(Answer(text="For both of us.", held_after=0))
    with news(talk, "member") as mine, news(talk, "owner") as others:
        with guest.open(conversationId=conversation) as stream:
            stream.until("start")
            with talk.follow(conversation) as followed:
                talk.provider.let_go()
                assert followed.rest().text == "For both of us."
            stream.rest()
        started = json.loads(mine.recv(20))
        if started["type"] == "turn-ended":  # of the first one
            started = json.loads(mine.recv(20))
        assert started == {
            "type": "turn-started",
            "conversationId": conversation,
            "userMessageId": stream.start["userMessageId"],
            "messageId": stream.start["messageId"],
            "authorId": person(acme, "stranger").pk,
        }
        assert json.loads(mine.recv(20))["type"] == "turn-ended"
        assert hear(others) == []
    with entered(acme.scope):
        charged = UsageRecord.objects.order_by("pk").values_list("user_id", flat=True)
        names = [person(acme, name).pk for name in ("member", "stranger")]
        assert list(charged) == names


def test_who_is_sent_away_is_not_given_the_answer_they_wait_for(
    talk: Talk, guest: Talk
) -> None:
    conversation = talk.send().conversation_id
    made = share(talk, conversation, "participant")
    talk.provider.enqueue(SLOW)
    body = {"message": "Quickly", "conversationId": conversation, "stream": False}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(guest.client.post, CHAT, json=body)
        while talk.detail(conversation)["message_count"] < 4:
            time.sleep(0.05)
        with talk.follow(conversation) as followed:
            followed.until("text-delta")
            path = f"{CHAT}/{conversation}/shares/{made}"
            assert talk.client.delete(path).status_code == 204
            talk.stop(conversation)
            followed.rest()
        answer = waiting.result()
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_viewer_is_told_that_they_cannot_send(talk: Talk, guest: Talk) -> None:
    conversation = talk.send().conversation_id
    share(talk, conversation, "viewer")
    body = {"message": "Me too", "conversationId": conversation}
    answer = guest.client.post(CHAT, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert len(talk.messages(conversation)) == 2


def test_who_is_sent_away_reads_no_further(talk: Talk, guest: Talk) -> None:
    talk.provider.enqueue(SLOW)
    with talk.open() as stream:
        stream.until("text-delta", 3)
        conversation = stream.conversation_id
        made = share(talk, conversation, "viewer")
        path = f"{CHAT}/{conversation}"
        with guest.follow(conversation) as followed, news(talk, "stranger") as heard:
            followed.until("text-delta", 3)
            assert talk.client.delete(f"{path}/shares/{made}").status_code == 204
            end = followed.until("error")["errorText"]
            assert end == "You may no longer read this here."
            assert guest.client.get(f"{path}/stream").status_code == 204
            assert guest.client.get(path).status_code == 404
            stream.until("text-delta", 3)
            talk.stop(conversation)
            stream.rest()
            talk.wait_ended(conversation)
            assert hear(heard) == []
