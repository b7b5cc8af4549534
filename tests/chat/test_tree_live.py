"""The tree while turns run, and two who change it at once, on a live server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from chat.models import Conversation, Message, Turn
from tenants.db import entered
from tests.chat.talk import CHAT, Talk
from tests.provider import Answer
from usage.models import UsageRecord

SLOW = Answer(tokens=2000, pace=20)


def at_once(*calls: Callable[[], httpx.Response]) -> list[httpx.Response]:
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], httpx.Response]) -> httpx.Response:
        ready.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def assert_counted(talk: Talk, conversation_id: str) -> dict[str, Any]:
    """List and detail agree with a recount."""
    row: dict[str, Any] = talk.client.get(CHAT).json()["results"][0]
    assert row["id"] == conversation_id
    assert talk.detail(conversation_id).items() >= row.items()
    with entered(talk.tenant.scope):
        messages = Message.objects.filter(conversation=conversation_id)
        assert row["message_count"] == messages.count()
        if row["active_leaf"] is not None:
            assert messages.leaves().filter(pk=row["active_leaf"]).exists()
        ledger = UsageRecord.objects.filter(conversation_id=conversation_id)
        used = sum(ledger.values_list("total_tokens", flat=True))
    assert row["total_tokens"] == used
    return row


def test_deleting_a_message_stops_the_reply_below_it(talk: Talk) -> None:
    talk.provider.enqueue(Answer(text="A1"), SLOW)
    first = talk.send("Q1")
    chat = first.conversation_id
    with talk.open("Q2", conversationId=chat) as second:
        second.until("text-delta", 2)
        question = second.start["userMessageId"]
        deleted = talk.client.delete(f"{CHAT}/{chat}/messages/{question}")
        assert deleted.status_code == 204, deleted.text
        assert second.rest().parts[-1]["type"] == "abort"
    row = assert_counted(talk, chat)
    assert (row["message_count"], row["last_message_preview"]) == (2, "A1")
    assert row["active_leaf"] == first.start["messageId"]
    with entered(talk.tenant.scope):
        # What was used is kept, of a message that is gone.
        assert UsageRecord.objects.filter(status="stopped").count() == 1
    assert talk.send("Q3", conversationId=chat).text


def test_a_reply_elsewhere_is_written_on(talk: Talk) -> None:
    talk.provider.enqueue(Answer(text="A1"), Answer(tokens=40, pace=20))
    first = talk.send("Q1")
    chat = first.conversation_id
    again: dict[str, Any] = {
        "id": chat,
        "messages": [],
        "trigger": "regenerate-message",
    }
    with talk.open(None, **again) as second:
        second.until("text-delta", 2)
        old = first.start["messageId"]
        assert talk.client.delete(f"{CHAT}/{chat}/messages/{old}").status_code == 204
        # The branch can be looked at while another one grows; nothing ends.
        asked = first.start["userMessageId"]
        body = {"active_leaf": asked, "pinned": True}
        assert talk.client.patch(f"{CHAT}/{chat}", json=body).status_code == 200
        second.rest()
    row = assert_counted(talk, chat)
    assert (row["message_count"], row["pinned"]) == (2, True)
    assert row["active_leaf"] == second.start["messageId"]
    assert row["last_message_preview"].startswith("w0 w1")


def test_a_reply_being_written_cannot_be_forked(talk: Talk) -> None:
    talk.provider.enqueue(Answer(text="A1"), SLOW)
    first = talk.send("Q1")
    path = f"{CHAT}/{first.conversation_id}/fork"
    with talk.open("Q2", conversationId=first.conversation_id) as second:
        second.until("text-delta")
        body = {"message_id": second.start["messageId"]}
        refused = talk.client.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "turn_running")
        made = talk.client.post(path, json={"message_id": first.start["messageId"]})
        assert made.status_code == 201
        talk.stop(first.conversation_id)
        second.rest()
    fork = made.json()["id"]
    assert talk.send("Q2 b", conversationId=fork).text
    asked = [m["content"] for m in talk.provider.requests[-1].body["messages"]]
    assert asked[1:] == ["Q1", "A1", "Q2 b"]
    assert_counted(talk, fork)


def test_archiving_and_deleting_in_bulk_stop_what_runs(talk: Talk) -> None:
    talk.provider.enqueue(SLOW, SLOW)
    with talk.open() as one, talk.open() as two:
        one.until("text-delta")
        two.until("text-delta")
        for action, stream in (("archive", one), ("delete", two)):
            body = {"ids": [stream.conversation_id], "action": action}
            answer = talk.client.post(f"{CHAT}/bulk", json=body)
            assert answer.json()["changed"] == [stream.conversation_id]
            assert stream.rest().parts[-1]["type"] == "abort"
    with entered(talk.tenant.scope):
        kept = Conversation.objects.get()
        assert kept.archived_at is not None
        assert not Turn.objects.running().exists()
        assert UsageRecord.objects.count() == 2


def test_two_changes_at_once_leave_the_counters_right(talk: Talk) -> None:
    first = talk.send("Q1")
    chat, url = first.conversation_id, f"{CHAT}/{first.conversation_id}"
    again = {"id": chat, "messages": [], "trigger": "regenerate-message"}
    for _ in range(3):
        answers = at_once(
            lambda: talk.client.post(CHAT, json=again),
            lambda: talk.client.post(CHAT, json=again),
        )
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert_counted(talk, chat)
    replies = [m["id"] for m in talk.messages(chat, "all") if m["role"] == "assistant"]
    answers = at_once(
        lambda: talk.client.delete(f"{url}/messages/{replies[0]}"),
        lambda: talk.client.delete(f"{url}/messages/{replies[0]}"),
        lambda: talk.client.post(CHAT, json={"message": "Q2", "conversationId": chat}),
        lambda: talk.client.patch(url, json={"active_leaf": replies[1]}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 204, 404]
    assert_counted(talk, chat)
    # A message sent below one that is deleted at the same moment is there or is not.
    below = {"message": "Q3", "conversationId": chat, "parentId": replies[1]}
    sent, deleted = at_once(
        lambda: talk.client.post(CHAT, json=below),
        lambda: talk.client.delete(f"{url}/messages/{replies[1]}"),
    )
    assert (sent.status_code, deleted.status_code) in {(200, 204), (404, 204)}
    assert_counted(talk, chat)
