"""The real client of the AI SDK joins turns that run: after a reload, a cut, an end."""

from __future__ import annotations

import pytest

from tests.chat.talk import CHAT
from tests.factories import make_key
from tests.provider import Answer
from tests.sdk.conftest import Person
from tests.sdk.test_ai_sdk import (
    HANGING,
    HELD,
    WORDS,
    assert_kept,
    assert_nothing_runs,
    ended,
    refusal,
    without_authors,
)

pytestmark = pytest.mark.node


def test_resume_finds_nothing_in_a_new_chat(person: Person) -> None:
    chat = person.mount(resume=True)
    assert_nothing_runs(person, chat, chat.state)
    state = chat.send("Hello")
    assert (state.status, len(state.messages)) == ("ready", 2)


def test_a_reload_in_mid_reply_joins_it_whole(each_person: Person) -> None:
    each_person.provider.enqueue(HELD)
    first = each_person.mount()
    sending = first.begin("sendMessage", {"text": "Count"})
    chat_id = first.until(lambda state: "w3" in state.text).id
    history = each_person.history(chat_id)
    assert [message["role"] for message in history] == ["user"]
    second = each_person.mount(chat_id, messages=history, resume=True)
    # A client without the history gets the reply all the same.
    third = each_person.mount(chat_id, resume=True)
    for late in (second, third):
        late.until(lambda state: "w3" in state.text)
    each_person.provider.let_go()
    over = first.settle(sending)
    assert (over.status, over.text) == ("ready", WORDS)
    for late in (second, third):
        late.until(lambda state: state.status == "ready" and bool(state.text))
        assert late.finishes == [ended(finishReason="stop")]
    assert without_authors(second.state.messages) == over.messages
    assert without_authors(third.state.messages) == over.messages[1:]
    assert len(each_person.provider.requests) == 1
    assert_kept(each_person, over)


def test_a_cut_connection_is_resumed_without_losing_a_word(each_person: Person) -> None:
    each_person.provider.enqueue(Answer(tokens=60, held_after=20))
    chat = each_person.mount()
    sending = chat.begin("sendMessage", {"text": "Count"})
    for seen in ("w5", "w15"):
        chat.until(
            lambda state, seen=seen: (  # type: ignore[misc]
                state.status == "streaming" and seen in state.text
            )
        )
        each_person.react.cut()
        cut = chat.settle(sending)
        assert cut.status == "error"
        assert "w59" not in cut.text
        sending = chat.begin("resumeStream")
    each_person.provider.let_go()
    state = chat.settle(sending)
    assert (state.status, state.error) == ("ready", None)
    assert state.text == "".join(f"w{number} " for number in range(60))
    assert (state.roles, state.ids[:1]) == (["user", "assistant"], cut.ids[:1])
    assert len(each_person.provider.requests) == 1
    assert_kept(each_person, state)


def test_strict_mode_follows_once_though_it_asks_twice(person: Person) -> None:
    person.provider.enqueue(HELD)
    first = person.mount()
    sending = first.begin("sendMessage", {"text": "Count"})
    chat_id = first.until(lambda state: "w3" in state.text).id
    history = person.history(chat_id)
    strict = person.mount(chat_id, messages=history, resume=True, strict=True)
    strict.until(lambda state: "w3" in state.text)
    person.provider.let_go()
    over = first.settle(sending)
    state = strict.until(lambda state: state.text == WORDS and state.status == "ready")
    assert without_authors(state.messages) == over.messages
    assert strict.asked == [f"GET {CHAT}/{chat_id}/stream"] * 2


def test_a_resume_after_the_end_changes_nothing(person: Person) -> None:
    over = person.mount().send("Hello")
    late = person.mount(over.id, messages=person.history(over.id), resume=True)
    assert late.until_answered(f"GET {CHAT}/{over.id}/stream") in {200, 204}
    late.until(lambda state: state.status == "ready")
    state = late.call("resumeStream")
    assert (state.status, state.error) == ("ready", None)
    assert (state.ids, state.text) == (over.ids, over.text)
    assert_kept(person, state)


def test_a_stranger_resumes_and_sends_into_nothing(person: Person) -> None:
    person.provider.enqueue(HANGING)
    chat = person.mount()
    sending = chat.begin("sendMessage", {"text": "A secret"})
    chat_id = chat.until(lambda state: state.text == "w0 w1 w2 ").id
    key = make_key(person.talk.tenant, "stranger")
    stranger = person.mount(chat_id, key=key, resume=True)
    assert_nothing_runs(person, stranger, stranger.state)
    assert refusal(stranger.send("Let me in")) == "not_found"
    person.talk.stop(chat_id)
    assert chat.settle(sending).status == "ready"
