"""A send that is repeated, at once or later, makes nothing new; and a provider that
stumbles before its first word is asked once more."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tenants.db import entered
from tests.chat.talk import CHAT, Stream, Talk, sdk_body
from tests.provider import Answer
from usage.models import UsageRecord


def keyed(talk: Talk, key: str, text: str = "Hello") -> Stream:
    headers = {"Idempotency-Key": key}
    body = {"message": text}
    with talk.client.stream("POST", CHAT, json=body, headers=headers) as response:
        assert response.status_code == 200, response.read()
        return Stream(response).rest()


def assert_one_turn(talk: Talk, streams: list[Stream], text: str) -> None:
    assert {s.start["messageId"] for s in streams} == {streams[0].start["messageId"]}
    assert {s.text for s in streams} == {text}
    assert len(talk.provider.requests) == 1
    assert len(talk.messages(streams[0].conversation_id, "all")) == 2
    with entered(talk.tenant.scope):
        assert UsageRecord.objects.count() == 1


def test_the_same_key_at_once_makes_one_turn(each_talk: Talk) -> None:
    each_talk.provider.enqueue(Answer(tokens=10, pace=20))
    with ThreadPoolExecutor(10) as pool:
        streams = list(pool.map(lambda _: keyed(each_talk, "one"), range(10)))
    assert_one_turn(each_talk, streams, "".join(f"w{i} " for i in range(10)))


def test_the_same_message_id_at_once_makes_one_turn(each_talk: Talk) -> None:
    each_talk.provider.enqueue(Answer(tokens=10, pace=20))
    body = sdk_body("Hello", chat=uuid.uuid4().hex, own_id=uuid.uuid4().hex)
    with ThreadPoolExecutor(10) as pool:
        streams = list(pool.map(lambda _: each_talk.send(None, **body), range(10)))
    assert_one_turn(each_talk, streams, "".join(f"w{i} " for i in range(10)))


def test_the_same_key_later_gets_the_stored_answer(talk: Talk) -> None:
    first = keyed(talk, "later")
    talk.send("Another", conversationId=first.conversation_id)
    again = keyed(talk, "later")
    assert again.start == first.start
    assert again.text == first.text
    assert again.kinds[-1] == "finish"
    assert len(talk.provider.requests) == 2


def test_a_repeated_failure_is_told_again(talk: Talk) -> None:
    talk.provider.enqueue(Answer(status=401))
    first, again = keyed(talk, "bad"), keyed(talk, "bad")
    assert again.parts[-1] == first.parts[-1]
    assert len(talk.provider.requests) == 1


def test_one_key_for_two_messages_is_refused(talk: Talk) -> None:
    keyed(talk, "mixed")
    answer = talk.client.post(
        CHAT, json={"message": "Other"}, headers={"Idempotency-Key": "mixed"}
    )
    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_mismatch"


def test_a_key_belongs_to_one_person(talk: Talk) -> None:
    first = keyed(talk, "shared")
    with Talk(talk.server, talk.tenant, talk.provider, "stranger") as other:
        assert keyed(other, "shared").conversation_id != first.conversation_id


def test_a_message_id_of_somebody_else_is_not_there(talk: Talk) -> None:
    own_id = uuid.uuid4().hex
    talk.send(None, **sdk_body("Mine", chat=uuid.uuid4().hex, own_id=own_id))
    with Talk(talk.server, talk.tenant, talk.provider, "stranger") as other:
        body = sdk_body("Theirs", chat=uuid.uuid4().hex, own_id=own_id)
        assert other.client.post(CHAT, json=body).status_code == 404
    assert len(talk.provider.requests) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_before_the_first_word_is_tried_once_more(
    talk: Talk, status: int
) -> None:
    talk.provider.enqueue(Answer(status=status), Answer())
    assert talk.send().text == "w0 w1 w2 "
    assert len(talk.provider.requests) == 2


def test_a_fault_after_the_first_word_is_not_tried_again(talk: Talk) -> None:
    talk.provider.enqueue(Answer(fault="reset", fault_after=2), Answer())
    assert talk.send().kinds[-1] == "error"
    assert len(talk.provider.requests) == 1


def test_one_key_in_two_conversations_is_refused(talk: Talk) -> None:
    here, there = talk.send("One"), talk.send("Two")
    asked = len(talk.provider.requests)
    headers = {"Idempotency-Key": "both"}
    for stream, status in ((here, 200), (there, 409)):
        body = {"message": "Go on", "conversationId": stream.conversation_id}
        answer = talk.client.post(CHAT, json=body, headers=headers)
        assert answer.status_code == status
    assert len(talk.provider.requests) == asked + 1
