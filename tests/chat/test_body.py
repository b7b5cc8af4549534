"""The two forms of a chat body, read to what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from chat.body import read_body
from chat.errors import InvalidMessageError
from chat.turns.plan import Send
from tests.chat.talk import sdk_body, text_part


def send_of(body: dict[str, Any]) -> Send:
    return read_body(body).send


def test_the_plain_form() -> None:
    assert send_of({"message": "Hi"}) == Send(text="Hi")
    body = {
        "message": "Hi",
        "conversationId": "conversation-1",
        "parentId": "parent-01",
        "agentId": "poet",
        "model": "local/small",
    }
    assert send_of(body) == Send(
        text="Hi",
        conversation_id="conversation-1",
        parent_id="parent-01",
        agent="poet",
        model="local/small",
    )


def test_a_new_message_of_the_ai_sdk() -> None:
    body = sdk_body("Hi", chat="chat-00001", own_id="message-01", agentId=7)
    assert send_of(body) == Send(
        text="Hi", conversation_id="chat-00001", message_id="message-01", agent="7"
    )


def test_an_edit_names_the_old_message_and_brings_no_id_of_its_own() -> None:
    body = sdk_body("Hi", chat="chat-00001", own_id="old-00001", messageId="old-00001")
    assert send_of(body) == Send(
        text="Hi", conversation_id="chat-00001", target_id="old-00001"
    )


def test_a_regenerate_needs_no_messages() -> None:
    body: dict[str, Any] = {"id": "chat-00001", "messages": []}
    body["trigger"] = "regenerate-message"
    expected = Send(trigger="regenerate", conversation_id="chat-00001")
    assert send_of(body) == expected
    # What the client still shows is not looked at.
    assert send_of(body | {"messages": [{"role": "nobody"}]}) == expected
    assert send_of(body | {"wish": "Shorter"}).wish == "Shorter"
    for wish in (7, "x" * 1_001):
        with pytest.raises(InvalidMessageError):
            send_of(body | {"wish": wish})
    named = send_of(body | {"messageId": "reply-001"})
    assert named.target_id == "reply-001"


def test_the_ai_sdks_form_wins_over_the_plain_one() -> None:
    body = sdk_body("from messages") | {"message": "from message"}
    assert send_of(body).text == "from messages"


def test_only_the_last_message_counts() -> None:
    body = sdk_body("Last")
    body["messages"] = [{"role": "user", "parts": []}, 7, *body["messages"]]
    assert send_of(body).text == "Last"


def test_the_texts_of_all_parts_are_joined() -> None:
    body = sdk_body("one")
    body["messages"][0]["parts"].append(text_part("two"))
    assert send_of(body).text == "one\ntwo"


@pytest.mark.parametrize("kind", ["file", "image", "", None, 7])
def test_parts_that_we_cannot_read_are_refused_not_dropped(kind: Any) -> None:
    body = sdk_body("look")
    body["messages"][0]["parts"].insert(0, {"type": kind, "url": "data:,x"})
    with pytest.raises(InvalidMessageError, match="Only text parts can be sent"):
        read_body(body)


@pytest.mark.parametrize(
    ("given", "streams"),
    [({}, True), ({"stream": True}, True), ({"stream": None}, True)],
)
def test_a_stream_is_the_default(given: dict[str, Any], streams: bool) -> None:
    assert read_body({"message": "Hi"} | given).stream is streams


def test_one_json_is_answered_on_request() -> None:
    assert read_body({"message": "Hi", "stream": False}).stream is False


@pytest.mark.parametrize("key", ["conversationId", "parentId", "model", "agentId"])
def test_an_absent_value_may_be_null_or_empty(key: str) -> None:
    for nothing in (None, ""):
        assert send_of({"message": "Hi", key: nothing}) == Send(text="Hi")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "must be a JSON object"),
        ({}, "Send message or messages"),
        ({"message": 1}, "message must be a text"),
        ({"message": "x", "stream": "yes"}, "stream must be"),
        ({"message": "x", "parentId": 1}, "parentId must be a text"),
        ({"message": "x", "agentId": True}, "agentId must be a text"),
        ({"message": "x", "agentId": -1}, "agentId must be a text"),
        (sdk_body("x", trigger=["submit-message"]), "trigger must be"),
        (sdk_body("x", trigger="resume"), "trigger must be"),
        ({"messages": [{"role": "user"}]}, "needs a list of parts"),
        ({"messages": [{"role": "user", "parts": [1]}]}, "must be an object"),
        (
            {"messages": [{"role": "user", "parts": [{"type": "text"}]}]},
            "text of a part",
        ),
        ({"messages": [{"role": "system", "parts": []}]}, "must be the user's"),
        ({"messages": []}, "must be the user's"),
    ],
    ids=str,
)
def test_a_refusal_names_what_is_wrong(body: Any, words: str) -> None:
    with pytest.raises(InvalidMessageError, match=words):
        read_body(body)
