"""Turns outlive their readers, their worker and their place: two real server processes
on one database."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.models import TurnLogEntry
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.talk import Stream, Talk
from tests.factories import point_agent
from tests.provider import Answer, Provider
from tests.servers import Kind, LiveServer
from usage.models import UsageRecord

SLOW = Answer(tokens=2000, pace=20)
WHOLE = "".join(f"w{i} " for i in range(40))
# Not under test: how long we are ready to wait before we call it hung.
PATIENCE = 120


@pytest.fixture
def workers(
    committed: None,
    _server_of: Callable[[Kind], LiveServer],
    acme: Tenant,
    provider: Provider,
) -> Iterator[tuple[Talk, Talk]]:
    """The same person at two workers of one installation."""
    point_agent(acme, provider.url)
    one, two = _server_of("uvicorn"), _server_of("daphne")
    with Talk(one, acme, provider) as here, Talk(two, acme, provider) as there:
        yield here, there


@pytest.fixture
def mortal(
    start_server: Callable[..., LiveServer],
    _server_of: Callable[[Kind], LiveServer],
    acme: Tenant,
    provider: Provider,
) -> Iterator[tuple[Talk, Talk]]:
    """Two workers, of which the first may be ended by the test."""
    point_agent(acme, provider.url)
    one = start_server("uvicorn", TURN_SHUTDOWN_GRACE="3")
    two = _server_of("daphne")
    with Talk(one, acme, provider) as here, Talk(two, acme, provider) as there:
        yield here, there


def records(tenant: Tenant) -> list[UsageRecord]:
    with entered(tenant.scope):
        return list(UsageRecord.objects.all())


def wait_flushed(tenant: Tenant, conversations: list[str]) -> None:
    """Until the log has some text of each."""
    deadline = time.monotonic() + PATIENCE
    with entered(tenant.scope):
        texts = TurnLogEntry.objects.filter(events__contains=[["t"]])
        of_these = texts.filter(turn__conversation__in=conversations)
        while of_these.values("turn").distinct().count() < len(conversations):
            assert time.monotonic() < deadline, "nothing is flushed"
            time.sleep(0.02)


def wait_closed(port: int) -> None:
    """Until nobody listens there any more."""
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(ConnectionRefusedError):
        while time.monotonic() < deadline:
            socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(0.02)
        raise AssertionError("it still listens")


def wait_ended(talk: Talk, conversation_id: str) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        newest = talk.messages(conversation_id)[-1]
        if newest["status"] not in {"pending", "streaming"}:
            return newest
        time.sleep(0.1)
    raise AssertionError(f"still being written: {newest}")


def test_another_worker_follows_from_the_beginning(workers: tuple[Talk, Talk]) -> None:
    here, there = workers
    here.provider.enqueue(Answer(tokens=40, pace=20))
    with here.open() as own:
        own.until("text-delta", 5)
        with there.follow(own.conversation_id) as other:
            assert other.rest().text == WHOLE
        assert own.rest().text == WHOLE
    assert other.start == own.start
    assert other.parts[-1] == own.parts[-1]


def test_another_worker_stops_a_turn(workers: tuple[Talk, Talk]) -> None:
    here, there = workers
    here.provider.enqueue(SLOW)
    with here.open() as own:
        own.until("text-delta", 3)
        there.stop(own.conversation_id)
        here.provider.wait_closed()
        assert own.rest().kinds[-1] == "abort"
    reply = there.wait_ended(own.conversation_id)
    assert reply["status"] == "stopped"
    assert reply["text"] == own.text


@pytest.mark.long
def test_a_killed_worker_leaves_text_a_record_and_a_free_conversation(
    mortal: tuple[Talk, Talk],
) -> None:
    here, there = mortal
    here.provider.on("some-model", SLOW)
    conversations: list[str] = []
    told: list[Stream] = []

    def follow(conversation_id: str) -> None:
        with there.follow(conversation_id) as other:
            told.append(other.rest())

    def begin(number: int) -> None:
        with here.open(f"Question {number}") as own:
            own.until("text-delta", 3)
            conversations.append(own.conversation_id)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(begin, range(10)))
    reader = threading.Thread(target=follow, args=(conversations[0],))
    reader.start()
    wait_flushed(here.tenant, conversations)
    os.kill(here.server.pid, signal.SIGKILL)
    for conversation_id in conversations:
        reply = wait_ended(there, conversation_id)
        assert reply["status"] == "interrupted"
        text = str(reply["text"])
        assert len(text) > 0
        assert text == "".join(f"w{i} " for i in range(len(text.split())))
        assert reply["estimated"] is True
    reader.join(PATIENCE)
    assert told[0].kinds[-1] == "abort"
    assert told[0].text == there.messages(conversations[0])[-1]["text"]
    found = records(there.tenant)
    assert sorted(r.conversation_id for r in found) == sorted(conversations)
    assert {r.status for r in found} == {"interrupted"}
    assert all(r.estimated and r.completion_tokens > 0 for r in found)
    here.provider.on("some-model", Answer())
    assert there.send("Again", conversationId=conversations[0]).text == "w0 w1 w2 "


def test_a_terminated_worker_finishes_what_is_short_and_saves_the_rest(
    mortal: tuple[Talk, Talk],
) -> None:
    here, there = mortal
    here.provider.enqueue(SLOW, Answer(tokens=40, held_after=5))
    with here.open("Long") as long, here.open("Short") as short:
        long.until("text-delta", 5)
        short.until("text-delta")
        conversations = long.conversation_id, short.conversation_id
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(here.server.stop)
        wait_closed(here.server.port)
        here.provider.let_go()
        stopping.result()
    cut, whole = (wait_ended(there, found) for found in conversations)
    assert cut["status"] == "interrupted"
    assert str(cut["text"]).startswith("w0 w1 w2 w3 w4 ")
    assert (whole["status"], whole["text"]) == ("complete", WHOLE)
    assert len(records(there.tenant)) == 2


def test_a_running_conversation_can_be_purged_from_another_worker(
    workers: tuple[Talk, Talk],
) -> None:
    here, there = workers
    here.provider.enqueue(SLOW)
    with here.open() as own:
        own.until("text-delta", 3)
        path = f"/api/v1/chat/{own.conversation_id}"
        assert there.client.delete(path, params={"purge": "true"}).status_code == 204
        here.provider.wait_closed()
    assert there.client.get(path).status_code == 404
    assert [r.status for r in records(here.tenant)] == ["stopped"]


def test_archiving_stops_a_running_turn_and_keeps_its_text(
    workers: tuple[Talk, Talk],
) -> None:
    here, there = workers
    here.provider.enqueue(SLOW)
    with here.open() as own:
        own.until("text-delta", 3)
        path = f"/api/v1/chat/{own.conversation_id}/archive"
        assert there.client.post(path, json={}).json()["archived"] is True
    reply = there.messages(own.conversation_id)[-1]
    assert (reply["status"], reply["text"][:6]) == ("stopped", "w0 w1 ")


def test_an_edit_takes_the_place_of_the_answer_being_written(
    workers: tuple[Talk, Talk],
) -> None:
    here, there = workers
    here.provider.enqueue(SLOW, Answer())
    with here.open() as own:
        own.until("text-delta", 3)
        edited = there.send(
            None,
            id=own.conversation_id,
            messageId=own.start["userMessageId"],
            trigger="submit-message",
            messages=[
                {
                    "id": own.start["userMessageId"],
                    "role": "user",
                    "parts": [{"type": "text", "text": "Something else"}],
                }
            ],
        )
    assert edited.text == "w0 w1 w2 "
    roles = {m["id"]: m for m in there.messages(own.conversation_id, "all")}
    assert roles[own.start["messageId"]]["status"] == "stopped"
    active = there.messages(own.conversation_id)
    assert [m["text"] for m in active] == ["Something else", "w0 w1 w2 "]
