"""Titles that a model makes after the first reply, on a live server."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from chat.models import ChatSettings, Conversation
from chat.services.titling import cleaned
from tenants.db import entered
from tests.chat.talk import CHAT, Talk
from tests.factories import STAND_IN
from tests.provider import Answer
from tests.servers import host_of, session_cookie
from usage.models import UsageRecord

MODEL = "titles"
QUESTION = "How do ships find the harbour at night?"


@pytest.fixture
def titles(talk: Talk) -> Talk:
    """The tenant has chosen a model for titles, which answers with one."""
    with entered(talk.tenant.scope):
        ChatSettings.objects.update(title_model=f"{STAND_IN}/{MODEL}")
    talk.provider.on(MODEL, Answer(text='"Harbour Lights"\n'))
    return talk


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def calls(talk: Talk) -> list[Any]:
    """What the model for titles was asked."""
    requests = [request.body for request in talk.provider.requests]
    return [body for body in requests if body["model"] == MODEL]


def recorded(talk: Talk, status: str = "done") -> bool:
    with entered(talk.tenant.scope):
        rows = UsageRecord.objects.filter(model=f"{STAND_IN}/{MODEL}", status=status)
        return rows.exists()


def title(talk: Talk, conversation_id: str) -> str:
    return str(talk.detail(conversation_id)["title"])


def test_the_first_reply_gives_a_title_and_open_pages_hear_of_it(titles: Talk) -> None:
    cookie = session_cookie(titles.tenant, "member")
    address = f"{host_of(titles.tenant)}:{titles.server.port}"
    with connect(
        f"ws://{address}/ws/news",
        sock=socket.create_connection(("127.0.0.1", titles.server.port)),
        origin=Origin(f"http://{address}"),
        additional_headers={
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookie.items())
        },
        proxy=None,
    ) as listening:
        stream = titles.send(QUESTION)
        heard = {"type": "turn-begun"}
        while heard["type"] in {"turn-begun", "turn-ended"}:
            heard = json.loads(listening.recv(20))
    found = stream.conversation_id
    assert heard == {
        "type": "conversation-titled",
        "conversationId": found,
        "title": "Harbour Lights",
    }
    assert title(titles, found) == "Harbour Lights"
    (call,) = calls(titles)
    assert call["max_tokens"] == 30
    assert QUESTION in call["messages"][-1]["content"]
    with entered(titles.tenant.scope):
        record = UsageRecord.objects.get(model=f"{STAND_IN}/{MODEL}")
        assert (record.conversation_id, record.total_tokens) == (found, 12)
    titles.send("And by day?", conversationId=found)
    titles.send("Thanks.", conversationId=found)
    assert len(calls(titles)) == 1


def test_the_first_reply_may_be_that_of_a_second_turn(titles: Talk) -> None:
    titles.provider.enqueue(Answer(status=400))
    found = titles.send(QUESTION).conversation_id
    assert calls(titles) == []
    titles.send("Again?", conversationId=found)
    wait_for(lambda: title(titles, found) == "Harbour Lights")


def test_a_title_that_a_person_sets_meanwhile_stays(titles: Talk) -> None:
    titles.provider.on(MODEL, Answer(text="Harbour Lights", first_after=0.5))
    found = titles.send(QUESTION).conversation_id
    wait_for(lambda: len(calls(titles)) == 1)
    titles.client.patch(f"{CHAT}/{found}", json={"title": "Mine"})
    wait_for(lambda: recorded(titles))
    assert title(titles, found) == "Mine"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer(text='"'),
        Answer(tokens=3, fault="close", fault_after=2),
    ],
    ids=["error", "nothing", "incomplete"],
)
def test_the_cut_title_stays_where_none_can_be_made(
    titles: Talk, answer: Answer
) -> None:
    titles.provider.on(MODEL, answer)
    found = titles.send(QUESTION).conversation_id
    if answer.status == 500:
        wait_for(lambda: "title failed" in titles.server.output())
    else:
        wait_for(lambda: recorded(titles, "failed"))
    assert title(titles, found) == QUESTION


def test_no_model_is_asked_where_none_is_chosen_or_nothing_was_said(
    titles: Talk,
) -> None:
    titles.provider.enqueue(Answer(fault="close"))
    titles.send(QUESTION)
    with entered(titles.tenant.scope):
        ChatSettings.objects.update(title_model="")
    found = titles.send(QUESTION).conversation_id
    titles.send("And by day?", conversationId=found)
    assert calls(titles) == []
    with entered(titles.tenant.scope):
        assert Conversation.objects.get(pk=found).title == QUESTION


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Harbour lights", "Harbour lights"),
        ('  "Harbour lights."  ', "Harbour lights"),
        ("**Title: Harbour lights**", "Harbour lights"),
        ("\n\n# Harbour lights\nand more", "Harbour lights"),
        ("「灯台」の話", "「灯台」の話"),
        ("C++", "C++"),
        ("x" * 200, "x" * 99 + "…"),
        ("a\x00b\ud800", "a\ufffdb?"),
        ("", ""),
        ("***\n``", ""),
    ],
)
def test_an_answer_becomes_a_title(answer: str, title: str) -> None:
    assert cleaned(answer) == title
