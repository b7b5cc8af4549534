"""Going on with a reply that ended before its time, on a live server."""

from __future__ import annotations

from typing import Any

import pytest

from chat.models import Message, Turn
from chat.services.starting import start_turn
from chat.turns.plan import Send
from llm import tokens
from llm.prompt import CONTINUE
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.chat.talk import CHAT, Stream, Talk
from tests.chat.unattended import take_for_dead
from tests.factories import point_agent
from tests.provider import Answer
from usage.models import UsageRecord

CUT = Answer(text="The first half, ", finish="length")
REST = Answer(
    text="and the second.",
    usage={"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34},
)
SLOW = Answer(tokens=2000, pace=20)


def go_on(talk: Talk, stream: Stream, **fields: Any) -> Stream:
    return talk.send(None, **continuing(stream), **fields)


def continuing(stream: Stream) -> dict[str, Any]:
    return {
        "conversationId": stream.conversation_id,
        "trigger": "continue-message",
        "messageId": stream.start["messageId"],
    }


def test_a_reply_cut_by_length_goes_on_in_a_sibling(talk: Talk) -> None:
    talk.provider.enqueue(CUT, REST)
    first = talk.send("Tell me")
    second = go_on(talk, first)
    assert second.text == "The first half, and the second."
    assert second.start["userMessageId"] == first.start["userMessageId"]
    assert [m["content"] for m in talk.provider.requests[-1].body["messages"]][1:] == [
        "Tell me",
        "The first half, ",
        CONTINUE,
    ]
    question, whole = talk.messages(first.conversation_id)
    assert whole["text"] == second.text
    assert whole["parts"] == [{"type": "text", "text": second.text}]
    assert (whole["status"], whole["finish_reason"]) == ("complete", "stop")
    old, new = first.start["messageId"], second.start["messageId"]
    assert whole["id"] == new
    assert whole["sibling_ids"] == [old, new]
    everything = talk.messages(first.conversation_id, "all")
    assert [m["text"] for m in everything[:2]] == ["Tell me", "The first half, "]
    row = talk.detail(first.conversation_id)
    assert row["message_count"] == len(everything) == 3
    assert row["last_message_preview"] == second.text
    # Counted is the new call alone.
    assert whole["total_tokens"] == 34
    assert row["total_tokens"] == everything[1]["total_tokens"] + 34
    assert question["sibling_ids"] == [question["id"]]


def test_the_ai_sdks_body_continues_too(talk: Talk) -> None:
    talk.provider.enqueue(CUT, REST)
    first = talk.send("Tell me")
    body = continuing(first)
    body["id"] = body.pop("conversationId")
    body["messages"] = [{"id": "forged-000001", "role": "user", "parts": []}]
    assert talk.send(None, **body).text == "The first half, and the second."


def test_stopped_and_stopped_again_nothing_is_lost(talk: Talk) -> None:
    talk.provider.enqueue(SLOW, SLOW, Answer(text="The end."))
    with talk.open() as first:
        first.until("text-delta", 3)
        talk.stop(first.conversation_id)
        first.rest()
    with talk.open(None, **continuing(first)) as second:
        # The old text comes at once, and the new after it.
        assert second.until("text-delta")["delta"].startswith(first.text)
        with talk.follow(first.conversation_id) as other:
            assert other.until("text-delta")["delta"].startswith(first.text)
            talk.client.post(f"{CHAT}/{first.conversation_id}/stop")
            assert other.rest().text == second.rest().text
    third = go_on(talk, second)
    assert third.text == second.text + "The end."
    more = second.text.removeprefix(first.text)
    with entered(talk.tenant.scope):
        counted = [
            UsageRecord.objects.get(message_id=s.start["messageId"])
            for s in (first, second)
        ]
    # What was carried over is in the second prompt, and not written twice.
    assert counted[1].prompt_tokens > counted[0].prompt_tokens
    for record, text in zip(counted, (first.text, more), strict=True):
        assert record.completion_tokens == tokens.count_text(text, "some-model")
    total = talk.detail(first.conversation_id)["total_tokens"]
    with entered(talk.tenant.scope):
        rows = UsageRecord.objects.filter(conversation_id=first.conversation_id)
        assert total == sum(rows.values_list("total_tokens", flat=True))


def test_a_failed_reply_goes_on_without_its_reasoning(talk: Talk) -> None:
    talk.provider.enqueue(
        Answer(text="Half a", reasoning=("Hm.",), fault="cut", fault_after=3),
        Answer(status=500),
        Answer(status=500),
        Answer(text=" sentence."),
    )
    first = talk.send()
    broken = talk.messages(first.conversation_id)[-1]
    assert (broken["status"], broken["text"]) == ("failed", "Half a")
    # A provider that refuses costs nothing, and takes nothing away.
    refused = go_on(talk, first)
    again = talk.messages(first.conversation_id)[-1]
    assert (again["status"], again["text"]) == ("failed", "Half a")
    assert again["total_tokens"] == 0
    whole = go_on(talk, refused)
    assert whole.text == "Half a sentence."
    reply = talk.messages(first.conversation_id)[-1]
    assert reply["parts"] == [{"type": "text", "text": "Half a sentence."}]


def test_a_reply_that_failed_before_its_first_word_is_asked_for_anew(
    talk: Talk,
) -> None:
    talk.provider.enqueue(Answer(status=401), Answer(text="Now."))
    first = talk.send("Well?")
    assert go_on(talk, first).text == "Now."
    said = [m["content"] for m in talk.provider.requests[-1].body["messages"]]
    assert said[1:] == ["Well?"]


def test_a_worker_that_dies_at_once_loses_nothing_of_what_was_continued(
    db: None, acme: Tenant
) -> None:
    point_agent(acme, "http://127.0.0.1:9")
    made = make_conversation(acme)
    with entered(acme.scope):
        made.messages.filter(role="assistant").update(status="interrupted")
        send = Send(
            trigger="continue", conversation_id=made.pk, target_id=made.active_leaf_id
        )
        plan = start_turn(user=made.owner, send=send)
        take_for_dead(plan.turn_id)
        reply = Message.objects.get(pk=plan.reply_id)
    assert (reply.text, reply.status) == ("Answer", "interrupted")
    assert reply.prompt_tokens > 0
    assert reply.completion_tokens == 0, "what was carried over is not counted again"


@pytest.mark.parametrize("target", ["complete", "question", "missing", "none"])
def test_only_an_unfinished_reply_goes_on(talk: Talk, target: str) -> None:
    stream = talk.send("Hello")
    ids = {
        "complete": stream.start["messageId"],
        "question": stream.start["userMessageId"],
        "missing": "never-seen-1",
        "none": None,
    }
    body = continuing(stream) | {"messageId": ids[target]}
    refused = talk.client.post(CHAT, json=body)
    expected = (404, "not_found") if target == "missing" else (400, "invalid")
    assert (refused.status_code, refused.json()["code"]) == expected
    assert talk.detail(stream.conversation_id)["message_count"] == 2


def test_what_is_being_written_is_not_continued_nor_ended(talk: Talk) -> None:
    talk.provider.enqueue(SLOW)
    with talk.open() as stream:
        stream.until("text-delta")
        refused = talk.client.post(CHAT, json=continuing(stream))
        assert (refused.status_code, refused.json()["code"]) == (409, "turn_running")
        with entered(talk.tenant.scope):
            assert Turn.objects.running().count() == 1
        talk.stop(stream.conversation_id)


def test_nobody_continues_what_belongs_to_another_person(talk: Talk) -> None:
    talk.provider.enqueue(CUT)
    first = talk.send("Mine")
    with Talk(talk.server, talk.tenant, talk.provider, "stranger") as stranger:
        for body in (
            continuing(first),
            continuing(first) | {"conversationId": None},
            continuing(first) | {"conversationId": "not-yet-there"},
        ):
            refused = stranger.client.post(CHAT, json=body)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    with entered(talk.tenant.scope):
        assert Message.objects.count() == 2
