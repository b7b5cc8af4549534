"""What goes wrong at the provider: one clear sentence, the text kept, nothing hangs."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest

from agents.models import Provider as ProviderRow
from agents.services import set_provider_key
from chat.models import Turn
from tenants.db import entered
from tests.chat.talk import Stream, Talk
from tests.factories import PROVIDER_KEY, STAND_IN, STAND_IN_MODEL, point_agent
from tests.provider import SECRET_MARKER, Answer
from usage.models import UsageRecord


@dataclass(frozen=True)
class Case:
    answer: Answer
    code: str
    text: str = ""


BEFORE_THE_FIRST_BYTE = {
    "wrong key": Case(Answer(status=401), "provider_unauthorized"),
    "unknown model": Case(Answer(status=404), "provider_model_not_found"),
    "too many requests": Case(Answer(status=429), "provider_rate_limited"),
    "bad request": Case(Answer(status=400), "provider_bad_request"),
    "an error of its own": Case(Answer(status=500), "provider_error"),
    "overloaded": Case(Answer(status=503), "provider_unavailable"),
}
IN_MID_STREAM = {
    "error object": Case(Answer(fault="error"), "provider_error"),
    "reset": Case(Answer(fault="reset"), "provider_incomplete"),
    "cut": Case(Answer(fault="cut"), "provider_incomplete"),
    "clean close without finish": Case(Answer(fault="close"), "provider_incomplete"),
    "garbage": Case(Answer(fault="garbage"), "provider_error"),
}


def cases(table: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", table.values(), ids=table.keys())


def assert_failed(talk: Talk, stream: Stream, code: str, text: str = "") -> None:
    """The turn is over: told in one sentence, stored under a stable code."""
    assert stream.parts[-1]["type"] == "error"
    told = stream.parts[-1]["errorText"]
    assert told.endswith(".") and "\n" not in told and len(told) < 200
    assert stream.text == text
    reply = talk.messages(stream.conversation_id)[-1]
    assert reply["id"] == stream.start["messageId"]
    assert (reply["status"], reply["error_code"]) == ("failed", code)
    assert reply["text"] == text
    with entered(talk.tenant.scope):
        turn = Turn.objects.get(reply=reply["id"])
        calls = UsageRecord.objects.filter(message_id=reply["id"]).order_by("call")
        *earlier, record = calls
    assert (turn.status, turn.error_code) == ("failed", code)
    assert {call.status for call in calls} == {"failed"}
    assert {call.total_tokens for call in earlier} <= {0}
    assert bool(record.completion_tokens) == bool(text)
    assert reply["total_tokens"] == record.total_tokens
    assert_nothing_leaked(talk, stream)


def assert_nothing_leaked(talk: Talk, stream: Stream) -> None:
    chat = f"/api/v1/chat/{stream.conversation_id}"
    seen = "".join(stream.frames) + "".join(
        talk.client.get(path).text for path in (chat, f"{chat}/messages")
    )
    logged = talk.server.output()
    assert SECRET_MARKER not in seen
    assert PROVIDER_KEY not in seen + logged
    assert "Traceback" not in seen
    assert '"level": "error"' not in logged, logged


def assert_next_turn_works(talk: Talk, stream: Stream) -> None:
    after = talk.send("Again", conversationId=stream.conversation_id)
    assert after.kinds[-1] == "finish"
    asked = talk.provider.requests[-1].body["messages"]
    assert [message["content"] for message in asked if message["role"] == "user"] == [
        "Hello",
        "Again",
    ]


@cases(BEFORE_THE_FIRST_BYTE)
def test_a_refusal_before_the_first_byte_is_told(each_talk: Talk, case: Case) -> None:
    # Always, since some refusals are asked about once more.
    each_talk.provider.on(STAND_IN_MODEL, case.answer)
    stream = each_talk.send()
    assert "text-start" not in stream.kinds
    assert_failed(each_talk, stream, case.code)
    each_talk.provider.on(STAND_IN_MODEL, Answer())
    assert_next_turn_works(each_talk, stream)


@cases(IN_MID_STREAM)
def test_a_fault_in_mid_stream_keeps_the_text(each_talk: Talk, case: Case) -> None:
    each_talk.provider.enqueue(
        Answer(tokens=9, pace=100, fault=case.answer.fault, fault_after=4)
    )
    stream = each_talk.send()
    assert_failed(each_talk, stream, case.code, "w0 w1 w2 w3 ")
    assert_next_turn_works(each_talk, stream)
    # What broke off is part of what the model is told.
    asked = each_talk.provider.requests[-1].body["messages"]
    assert {"role": "assistant", "content": "w0 w1 w2 w3 "} in asked


@cases({"close": IN_MID_STREAM["clean close without finish"]})
def test_a_stream_that_ends_at_once_is_no_answer(talk: Talk, case: Case) -> None:
    talk.provider.enqueue(case.answer)
    assert_failed(talk, talk.send(), case.code)


def test_a_provider_that_is_down_is_told(each_talk: Talk) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = closed.getsockname()[1]
        point_agent(each_talk.tenant, f"http://127.0.0.1:{port}/v1")
        stream = each_talk.send()
    assert_failed(each_talk, stream, "provider_unavailable")
    point_agent(each_talk.tenant, each_talk.provider.url)
    assert_next_turn_works(each_talk, stream)


def test_a_missing_key_is_told_and_nothing_is_sent(each_talk: Talk) -> None:
    with entered(each_talk.tenant.scope):
        row = ProviderRow.objects.get(name=STAND_IN)
        row.kind = "openai"
        row.save()
        row.credentials.all().delete()
    stream = each_talk.send()
    assert_failed(each_talk, stream, "provider_key_missing")
    assert "administrator" in stream.parts[-1]["errorText"]
    assert not each_talk.provider.requests
    with entered(each_talk.tenant.scope):
        set_provider_key(provider=row, api_key=PROVIDER_KEY)
    assert_next_turn_works(each_talk, stream)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"enabled": False}, "provider_disabled"),
        ({"name": "renamed"}, "provider_model_not_found"),
    ],
)
def test_a_provider_that_is_gone_fails_the_turn(
    talk: Talk, change: dict[str, object], code: str
) -> None:
    with entered(talk.tenant.scope):
        ProviderRow.objects.filter(name=STAND_IN).update(**change)
    stream = talk.send()
    assert_failed(talk, stream, code)
    assert not talk.provider.requests


STALLS = {
    "before the headers": Answer(headers_after=60),
    "before the first token": Answer(fault="stall"),
    "comments only": Answer(fault="stall", pings_every=0.05),
}


@pytest.mark.parametrize("answer", STALLS.values(), ids=STALLS)
def test_a_provider_that_never_begins_times_out(hasty: Talk, answer: Answer) -> None:
    hasty.provider.enqueue(answer)
    stream = hasty.send()
    assert_failed(hasty, stream, "provider_timeout")
    hasty.provider.wait_closed()
    assert_next_turn_works(hasty, stream)


def test_a_provider_that_falls_silent_times_out(hasty: Talk) -> None:
    hasty.provider.enqueue(Answer(tokens=9, fault="stall", fault_after=2))
    stream = hasty.send()
    assert_failed(hasty, stream, "provider_timeout", "w0 w1 ")
    hasty.provider.wait_closed()
    assert_next_turn_works(hasty, stream)


def test_a_provider_that_never_ends_times_out(hasty: Talk) -> None:
    hasty.provider.enqueue(Answer(tokens=10_000, pace=5))
    stream = hasty.send()
    assert stream.parts[-1]["type"] == "error"
    assert stream.text.startswith("w0 w1 w2 ")
    assert_failed(hasty, stream, "provider_timeout", stream.text)
    hasty.provider.wait_closed()
