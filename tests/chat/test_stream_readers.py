"""Readers that leave, join late, come in numbers; and the stop."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from chat.models import Turn
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.parts import Part
from tests.chat.talk import CHAT, Stream, Talk
from tests.factories import point_agent
from tests.provider import Answer, Provider
from tests.servers import LiveServer, host_of
from usage.models import UsageRecord

SLOW = Answer(tokens=40, pace=40)  # about a second
WORDS = "".join(f"w{number} " for number in range(40))
# Some words, and then silence until the turn is stopped.
HANGING = Answer(tokens=40, fault="stall", fault_after=3)
RUNNING = {"pending", "streaming"}


@contextmanager
def running_turn(talk: Talk) -> Iterator[Stream]:
    """A turn that has said three words and runs until the block ends."""
    talk.provider.enqueue(HANGING)
    with talk.open() as stream:
        while stream.text != "w0 w1 w2 ":
            stream.until("text-delta")
        yield stream
        talk.stop(stream.conversation_id)
        talk.wait_ended(stream.conversation_id)


def test_a_turn_goes_on_when_its_reader_leaves_while_waiting(each_talk: Talk) -> None:
    each_talk.provider.enqueue(SLOW)
    with each_talk.open() as stream:
        stream.until("text-delta", 2)
    assert "finish" not in stream.kinds
    reply = each_talk.wait_ended(stream.conversation_id)
    assert (reply["status"], reply["text"]) == ("complete", WORDS)
    assert (reply["total_tokens"], reply["estimated"]) == (50, False)
    assert '"level": "error"' not in each_talk.server.output()


def test_a_turn_goes_on_when_its_reader_leaves_before_the_first_token(
    each_talk: Talk,
) -> None:
    each_talk.provider.enqueue(Answer(first_after=0.5))
    with each_talk.open() as stream:
        stream.until("start-step")
    reply = each_talk.wait_ended(stream.conversation_id)
    assert (reply["status"], reply["text"]) == ("complete", "w0 w1 w2 ")


def test_a_turn_goes_on_when_its_reader_leaves_while_the_server_sends(
    each_talk: Talk,
) -> None:
    # Just below what any reply may have; the client's window is 4 KiB.
    pieces = tuple(f"{number:0131071d} " for number in range(7))
    each_talk.provider.enqueue(Answer(pieces=pieces, pace=20))
    with unread_post(each_talk) as unread:
        assert unread.recv(12) == b"HTTP/1.1 200"
        # Nobody reads what is on its way by now.
        while each_talk.provider.chunks_sent < 6:
            time.sleep(0.01)
    conversation = each_talk.client.get(CHAT).json()["results"][0]["id"]
    reply = each_talk.wait_ended(conversation)
    assert reply["status"] == "complete"
    assert reply["text"] == "".join(pieces)
    assert '"level": "error"' not in each_talk.server.output()


@contextmanager
def unread_post(talk: Talk) -> Iterator[socket.socket]:
    """A message sent by somebody who hardly reads; gone without notice at the end."""
    body = b'{"message": "Hello"}'
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", talk.server.port))
        raw.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: {host_of(talk.tenant)}\r\n"
            f"Authorization: {talk.client.headers['authorization']}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        yield raw


def test_stop_ends_the_provider_call_and_keeps_the_text(each_talk: Talk) -> None:
    each_talk.provider.enqueue(HANGING)
    with each_talk.open() as stream:
        while stream.text != "w0 w1 w2 ":
            stream.until("text-delta")
        each_talk.stop(stream.conversation_id)
        stream.rest()
    each_talk.provider.wait_closed()
    assert stream.kinds[-3:] == ["text-delta", "text-end", "abort"]
    assert stream.parts[-1]["reason"] == "stopped"
    reply = each_talk.messages(stream.conversation_id)[-1]
    assert reply["id"] == stream.start["messageId"]
    assert (reply["status"], reply["text"]) == ("stopped", "w0 w1 w2 ")
    with entered(each_talk.tenant.scope):
        turn = Turn.objects.get(reply=reply["id"])
        record = UsageRecord.objects.get(message_id=reply["id"])
    assert turn.status == record.status == "stopped"
    assert record.estimated and record.prompt_tokens and record.completion_tokens
    assert reply["estimated"] is True
    assert reply["total_tokens"] == record.total_tokens


def test_stop_before_the_first_token(talk: Talk) -> None:
    talk.provider.enqueue(Answer(fault="stall"))
    with talk.open() as stream:
        stream.until("start-step")
        talk.provider.wait_requests()
        talk.stop(stream.conversation_id)
        stream.rest()
    talk.provider.wait_closed()
    assert stream.kinds[-1] == "abort"
    assert talk.messages(stream.conversation_id)[-1]["status"] == "stopped"


def test_stop_can_be_repeated_and_is_harmless_when_nothing_runs(talk: Talk) -> None:
    with running_turn(talk) as stream:
        talk.stop(stream.conversation_id)
        talk.stop(stream.conversation_id)
        stream.rest()
    done = talk.send("Again", conversationId=stream.conversation_id)
    talk.stop(done.conversation_id)
    newest = talk.messages(done.conversation_id)[-1]
    assert (newest["status"], newest["text"]) == ("complete", "w0 w1 w2 ")


def test_a_reader_who_joins_late_gets_all_of_it_and_goes_on_live(
    each_talk: Talk,
) -> None:
    each_talk.provider.enqueue(Answer(tokens=40, held_after=5))
    with each_talk.open() as first:
        while not first.text.startswith("w0 w1 w2 "):
            first.until("text-delta")
        with each_talk.follow(first.conversation_id) as late:
            headers = late.response.headers
            assert each_talk.provider.open_streams == 1, "over before anybody joined"
            each_talk.provider.let_go()
            late.rest()
        first.rest()
    assert headers["content-type"] == "text/event-stream"
    assert headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert late.parts[0] == first.parts[0]
    assert late.text == first.text == WORDS
    assert late.parts[-1] == first.parts[-1]


def test_a_reader_may_leave_and_come_back(talk: Talk) -> None:
    with running_turn(talk) as first:
        for _ in range(2):
            with talk.follow(first.conversation_id) as again:
                again.until("text-delta")
            assert again.parts[0] == first.parts[0]
        with talk.follow(first.conversation_id) as last:
            talk.stop(first.conversation_id)
            assert last.rest().text == "w0 w1 w2 "


def test_several_readers_all_get_everything(each_talk: Talk) -> None:
    each_talk.provider.enqueue(SLOW)
    with each_talk.open() as first, ExitStack() as stack:
        first.until("text-delta")
        others = [
            stack.enter_context(each_talk.follow(first.conversation_id))
            for _ in range(4)
        ]
        assert [stream.rest().text for stream in (first, *others)] == [WORDS] * 5
    assert each_talk.messages(first.conversation_id)[-1]["text"] == WORDS
    assert len(each_talk.provider.requests) == 1


def test_a_late_reader_may_ask_for_rendered_blocks(talk: Talk) -> None:
    with running_turn(talk) as first:
        with talk.follow(first.conversation_id, "?render=html") as page:
            block = page.until("data-html")
        assert block["data"] == {"block": 0, "html": "<p>w0 w1 w2</p>"}


def test_204_when_nothing_runs(each_talk: Talk) -> None:
    for conversation in ("never-seen-before", "0000000000000000"):
        answer = each_talk.client.get(f"{CHAT}/{conversation}/stream")
        assert (answer.status_code, answer.content) == (204, b"")


def steady(stream: Stream) -> list[Part]:
    """Without what came in pieces, and what is told once only."""
    return [p for p in stream.parts if "delta" not in p and not p.get("transient")]


def test_204_soon_after_the_end(talk: Talk) -> None:
    """At first the end may still be replayed; then there is nothing to follow."""
    stream = talk.send()
    path = f"{CHAT}/{stream.conversation_id}/stream"
    while True:
        with talk.client.stream("GET", path) as answer:
            if answer.status_code != 200:
                assert (answer.status_code, answer.read()) == (204, b"")
                return
            again = Stream(answer).rest()
        # What came in pieces may come in one.
        assert again.text == stream.text
        assert steady(again) == steady(stream)
        time.sleep(0.25)


def test_a_second_turn_is_refused_while_one_runs(each_talk: Talk) -> None:
    with running_turn(each_talk) as stream:
        body = {"message": "Me too", "conversationId": stream.conversation_id}
        refused = each_talk.client.post(CHAT, json=body)
        assert refused.status_code == 409
        assert refused.json()["code"] == "turn_running"
        stored = each_talk.messages(stream.conversation_id)
        assert [message["text"] for message in stored][:1] == ["Hello"]
        assert len(stored) == 2
    each_talk.send("Now", conversationId=stream.conversation_id)


def test_silence_is_filled_with_comments(hasty: Talk) -> None:
    hasty.provider.enqueue(Answer(first_after=0.7))
    stream = hasty.send()
    said = [frame.partition(",")[0] for frame in stream.frames]
    assert ": keep-alive" in said[: said.index('data: {"type":"text-start"')]
    assert stream.text == "w0 w1 w2 "


def test_past_the_limit_of_turns_the_answer_is_503(
    start_server: Callable[..., LiveServer], acme: Tenant, provider: Provider
) -> None:
    point_agent(acme, provider.url)
    with (
        Talk(start_server(TURN_LIMIT="2"), acme, provider) as talk,
        running_turn(talk),
        running_turn(talk) as second,
    ):
        refused = talk.client.post(CHAT, json={"message": "Me too"})
        assert refused.status_code == 503
        assert refused.json()["code"] == "busy"
        assert int(refused.headers["retry-after"]) > 0
        listed = talk.client.get(CHAT).json()
        assert listed["count"] == 2, "a refused message made a conversation"
        talk.stop(second.conversation_id)
        second.rest()
        talk.send("Now")


@pytest.mark.parametrize("path", ["stream", "stop"])
def test_a_turn_is_out_of_reach_for_others(talk: Talk, path: str) -> None:
    method = "GET" if path == "stream" else "POST"
    with running_turn(talk) as stream:
        address = f"{CHAT}/{stream.conversation_id}/{path}"
        with talk.server.client(talk.tenant, "stranger") as stranger:
            assert stranger.request(method, address).status_code in {204, 404}
        with talk.server.client(talk.tenant) as nobody:
            assert nobody.request(method, address).status_code == 401
        reading: httpx.Response = talk.client.get(f"{CHAT}/{stream.conversation_id}")
        assert reading.json()["messages"]["results"][0]["status"] in RUNNING
