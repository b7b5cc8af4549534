"""The real client of the AI SDK, `useChat` with its default transport, keeps working
with our stream: it must never be told what it refuses, nor lose or double a word."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.chat.talk import CHAT, text_part
from tests.provider import SECRET_MARKER, Answer
from tests.sdk.conftest import Person
from tests.sdk.react import Chat, State, text_of

pytestmark = pytest.mark.node

HELD = Answer(tokens=40, held_after=5)
WORDS = "".join(f"w{number} " for number in range(40))
# Some words, and then silence until the turn is stopped.
HANGING = Answer(tokens=40, fault="stall", fault_after=3)


def without_authors(messages: list[Any]) -> list[Any]:
    """As the client that sent them has them: our history also names who wrote a
    question, which the sender's own copy does not."""
    return [
        {name: value for name, value in message.items() if name != "metadata"}
        if message["role"] == "user"
        else message
        for message in messages
    ]


def test_a_reply_streams_into_one_message(each_person: Person) -> None:
    each_person.provider.enqueue(
        Answer(reasoning=("I ", "think."), pieces=("It ", "is ", "21°.\u2028"), pace=50)
    )
    chat = each_person.mount()
    state = chat.send("How warm?")
    assert (state.status, state.error) == ("ready", None)
    question, reply = state.messages
    assert question["parts"] == [text_part("How warm?")]
    assert reply["parts"] == [
        {"type": "step-start"},
        part("reasoning", "I think.") | {"id": "reasoning-1"},
        part("text", "It is 21°.\u2028"),
    ]
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    assert reply["metadata"]["usage"] == usage
    assert reply["metadata"]["conversationId"] == state.id
    assert reply["metadata"]["userMessageId"] == question["id"]
    assert chat.finishes == [ended(finishReason="stop")]
    titled = {"id": state.id, "title": "How warm?"}
    assert [said["data"] for said in chat.data] == [titled]
    assert each_person.talk.detail(state.id)["title"] == "How warm?"
    assert_kept(each_person, state)


def test_the_history_continues_in_a_client_that_knows_only_it(person: Person) -> None:
    first = person.mount().send("My word is plum.")
    history = person.history(first.id)
    history[1]["parts"] = [text_part("What the client claims is not believed.")]
    person.provider.enqueue(Answer(text="Plum."))
    state = person.mount(first.id, messages=history).send("Which word?")
    assert (state.status, state.text) == ("ready", "Plum.")
    assert state.ids[:2] == first.ids
    prompt = person.provider.requests[-1].body["messages"]
    assert [said["content"] for said in prompt[-3:]] == [
        "My word is plum.",
        first.text,
        "Which word?",
    ]
    state.messages[1] = first.messages[1]
    assert_kept(person, state)


def test_stop_keeps_what_was_written_and_frees_the_chat(each_person: Person) -> None:
    each_person.provider.enqueue(HANGING)
    chat = each_person.mount()
    sending = chat.begin("sendMessage", {"text": "Count"})
    chat_id = chat.until(lambda state: state.text == "w0 w1 w2 ").id
    beside = each_person.mount(chat_id, resume=True)
    beside.until(lambda state: state.text == "w0 w1 w2 ")
    each_person.talk.stop(chat_id)
    each_person.provider.wait_closed()
    assert each_person.talk.wait_ended(chat_id)["status"] == "stopped"
    state = chat.settle(sending)
    assert (state.status, state.error, state.text) == ("ready", None, "w0 w1 w2 ")
    assert chat.finishes == [ended()]
    assert_kept(each_person, state)
    assert beside.until(lambda state: state.status == "ready").text == state.text
    assert beside.state.messages == state.messages[1:]
    assert chat.send("Go on").status == "ready"
    assert_kept(each_person, chat.state)


def test_an_app_stops_the_server_and_then_itself(person: Person) -> None:
    person.provider.enqueue(HANGING)
    chat = person.mount()
    sending = chat.begin("sendMessage", {"text": "Count"})
    chat_id = chat.until(lambda state: state.text == "w0 w1 w2 ").id
    chat.call("stop")
    person.talk.stop(chat_id)
    person.provider.wait_closed()
    state = chat.settle(sending)
    assert (state.status, state.error, state.text) == ("ready", None, "w0 w1 w2 ")
    reply = person.talk.wait_ended(chat_id)
    assert (reply["id"], reply["text"]) == (state.ids[1], state.text)
    assert chat.send("Go on").status == "ready"


def test_leaving_alone_stops_nothing(person: Person) -> None:
    person.provider.enqueue(HELD, HELD)
    chat = person.mount()
    sending = chat.begin("sendMessage", {"text": "Count"})
    chat_id = chat.until(lambda state: "w3" in state.text).id
    chat.call("stop")
    assert chat.settle(sending).status == "ready"
    person.provider.let_go()
    assert chat.finishes == [ended(isAbort=True)]
    assert chat.state.text != WORDS
    reply = person.talk.wait_ended(chat_id)
    assert (reply["status"], reply["text"]) == ("complete", WORDS)
    chat.begin("sendMessage", {"text": "Again"})
    chat.until(lambda state: len(state.messages) == 4 and "w3" in state.text)
    chat.unmount()
    reply = person.talk.wait_ended(chat_id)
    assert (reply["status"], reply["text"]) == ("complete", WORDS)


def test_regenerate_makes_another_reply_beside_the_first(person: Person) -> None:
    person.provider.enqueue(Answer(text="One."), Answer(text="Two."))
    chat = person.mount()
    first = chat.send("A number?")
    state = chat.call("regenerate")
    assert (state.status, state.roles) == ("ready", ["user", "assistant"])
    assert (state.ids[0], state.text) == (first.ids[0], "Two.")
    assert state.ids[1] != first.ids[1]
    *_, newest = person.talk.messages(state.id)
    assert sorted(newest["sibling_ids"]) == sorted([first.ids[1], state.ids[1]])
    assert_kept(person, state)


def test_an_earlier_reply_regenerated_drops_what_followed(person: Person) -> None:
    chat = person.mount()
    first = chat.send("First")
    chat.send("Second")
    person.provider.enqueue(Answer(text="Anew."))
    state = chat.call("regenerate", {"messageId": first.ids[1]})
    assert (state.status, state.text) == ("ready", "Anew.")
    assert len(state.ids) == 2
    assert state.ids[0] == first.ids[0]
    assert state.ids[1] != first.ids[1]
    assert_kept(person, state)


def test_an_edited_message_can_be_edited_and_answered_again(person: Person) -> None:
    chat = person.mount()
    first = chat.send("Frist")
    chat.send("Second")
    # The client keeps the edited message's id, whatever the server calls its sibling.
    for text in ("First", "The first"):
        state = chat.send(text, messageId=first.ids[0])
        assert (state.status, state.roles) == ("ready", ["user", "assistant"])
        assert state.ids[0] == first.ids[0]
        assert_prompt(person, text)
    edited = chat.call("regenerate")
    assert_prompt(person, "The first")
    question, reply = person.history(edited.id)
    assert (text_of(question), reply["id"]) == ("The first", edited.ids[1])
    chat.send("Third")
    assert_prompt(person, "The first", edited.text, "Third")


def test_an_edited_message_is_answered_again_as_edited(person: Person) -> None:
    chat = person.mount()
    first = chat.send("Frist")
    chat.send("First", messageId=first.ids[0])
    state = chat.call("regenerate", {"messageId": first.ids[0]})
    assert (state.status, state.roles) == ("ready", ["user", "assistant"])
    assert_prompt(person, "First")


def test_what_was_refused_can_be_tried_again(person: Person) -> None:
    chat = person.mount()
    refused = {"body": {"model": "no/such"}}
    # In a new chat, and below what was said.
    for number, text in enumerate(("First", "Second"), start=1):
        state = chat.call("sendMessage", {"text": text}, refused)
        assert refusal(state) == "invalid"
        person.provider.enqueue(Answer(text=f"To the {text}."))
        state = chat.call("regenerate")
        assert (state.status, state.text) == ("ready", f"To the {text}.")
        assert len(state.messages) == 2 * number
        assert_kept(person, state)
    assert_prompt(person, "First", "To the First.", "Second")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(status=401, error_message="Wrong key"), ""),
        (Answer(tokens=9, fault="error", fault_after=3), "w0 w1 w2 "),
    ],
)
def test_an_error_in_the_stream_keeps_the_partial_text(
    person: Person, answer: Answer, text: str
) -> None:
    person.provider.enqueue(answer)
    chat = person.mount()
    state = chat.send("Will it work?")
    assert state.status == "error"
    assert state.error
    assert state.error.endswith(".")
    assert SECRET_MARKER not in state.error
    assert (state.roles, state.text) == (["user", "assistant"], text)
    assert chat.finishes == [ended(isError=True)]
    assert_kept(person, state)
    person.provider.enqueue(Answer(text="Yes."))
    state = chat.call("regenerate")
    assert (state.status, state.error, state.text) == ("ready", None, "Yes.")
    assert_kept(person, state)


def test_a_resume_after_an_error_tells_it_or_nothing(person: Person) -> None:
    person.provider.enqueue(Answer(tokens=9, fault="error", fault_after=3))
    chat = person.mount()
    failed = chat.send("Will it work?")
    asked = f"GET {CHAT}/{failed.id}/stream"
    # Told again for some seconds to those who were away, and then no more.
    while (state := chat.call("resumeStream")).status == "error":
        assert chat.until_answered(asked) == 200
        assert (state.messages, state.error) == (failed.messages, failed.error)
        time.sleep(0.5)
    assert chat.until_answered(asked) == 204
    assert (state.status, state.messages) == ("ready", failed.messages)


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("wrong", {}, 401, "unauthenticated"),
        ("", {"agentId": "nobody"}, 404, "not_found"),
        ("", {"model": "no/such"}, 400, "invalid"),
    ],
)
def test_a_refusal_is_an_error_in_our_words(
    person: Person, key: str, body: dict[str, str], status: int, code: str
) -> None:
    chat = person.mount(key=key, body=body)
    state = chat.send("Hello")
    assert refusal(state) == code
    assert chat.answered == [(f"POST {CHAT}", status)]
    assert not person.provider.requests


def test_a_second_turn_is_refused_while_one_runs(person: Person) -> None:
    person.provider.enqueue(HANGING)
    chat = person.mount()
    sending = chat.begin("sendMessage", {"text": "Count"})
    chat_id = chat.until(lambda state: state.text == "w0 w1 w2 ").id
    other = person.mount(chat_id)
    assert refusal(other.send("Me too")) == "turn_running"
    person.talk.stop(chat_id)
    assert chat.settle(sending).status == "ready"
    assert other.send("Now?").status == "ready"


def part(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "text": text, "state": "done"}


def ended(**fields: object) -> dict[str, object]:
    """What reaches onFinish; a reason only where the server gave one."""
    told = {"isAbort": False, "isDisconnect": False, "isError": False}
    return {**told, **fields}


def refusal(state: State) -> str:
    """The code of the JSON that the client got before any stream."""
    assert state.status == "error"
    body = json.loads(state.error or "")
    assert body.keys() >= {"detail", "code"}
    code: str = body["code"]
    return code


def assert_kept(person: Person, state: State) -> None:
    """A reload shows what the client holds: the ids, the parts, the usage."""
    history = person.history(state.id)
    held = [
        {key: message[key] for key in ("id", "role", "parts")}
        for message in state.messages
    ]
    assert [{key: m[key] for key in ("id", "role", "parts")} for m in history] == held
    for stored, message in zip(history, state.messages, strict=True):
        if usage := message.get("metadata", {}).get("usage"):
            assert stored["metadata"]["usage"] == usage


def assert_prompt(person: Person, *texts: str) -> None:
    """What the provider was sent last, after the agent's own words."""
    _, *said = person.provider.requests[-1].body["messages"]
    assert [message["content"] for message in said] == list(texts)


def assert_nothing_runs(person: Person, chat: Chat, before: State) -> None:
    """A resume is answered with 204 and changes nothing but an error."""
    state = chat.call("resumeStream")
    assert chat.until_answered(f"GET {CHAT}/{before.id}/stream") == 204
    assert (state.status, state.error) == ("ready", None)
    assert state.messages == before.messages
