"""Regenerating, editing, branching; which agent and model answer."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models import Agent
from chat.models import Message
from llm.prompt import WISHED
from tenants.db import entered
from tests.chat.talk import CHAT, Stream, Talk, sdk_body
from tests.factories import STAND_IN, STAND_IN_MODEL, point_agent
from tests.provider import Answer


@pytest.fixture
def second(talk: Talk) -> Stream:
    """The second turn of a conversation: Q1 A1 Q2 A2."""
    talk.provider.enqueue(Answer(text="A1"), Answer(text="A2"))
    first = talk.send("Q1")
    return talk.send("Q2", conversationId=first.conversation_id)


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages]


def asked(talk: Talk) -> list[str]:
    """What the last request said after the system prompt."""
    return [m["content"] for m in talk.provider.requests[-1].body["messages"]][1:]


def regenerate(talk: Talk, chat: str, target: str | None = None) -> Stream:
    body: dict[str, Any] = {"id": chat, "messages": [], "trigger": "regenerate-message"}
    return talk.send(None, **(body | {"messageId": target} if target else body))


def test_regenerating_makes_a_sibling_of_the_reply(talk: Talk, second: Stream) -> None:
    talk.provider.enqueue(Answer(text="A2 anew"))
    anew = regenerate(talk, second.conversation_id)
    assert asked(talk) == ["Q1", "A1", "Q2"]
    assert anew.start["userMessageId"] == second.start["userMessageId"]
    assert anew.start["messageId"] != second.start["messageId"]
    active = talk.messages(second.conversation_id)
    assert texts(active) == ["Q1", "A1", "Q2", "A2 anew"]
    both = [second.start["messageId"], anew.start["messageId"]]
    assert active[-1]["sibling_ids"] == both
    assert active[-1]["parent_id"] == second.start["userMessageId"]
    everything = talk.messages(second.conversation_id, "all")
    assert texts(everything) == ["Q1", "A1", "Q2", "A2", "A2 anew"]
    assert everything[3]["sibling_ids"] == both
    assert talk.detail(second.conversation_id)["message_count"] == 5


def test_a_wish_is_said_with_the_reply_it_is_about(talk: Talk, second: Stream) -> None:
    talk.provider.enqueue(Answer(text="A2, shorter"), Answer(text="A3"))
    body = {"id": second.conversation_id, "messages": [], "wish": " Shorter "}
    talk.send(None, **body, trigger="regenerate-message")
    wished = WISHED.format("Shorter")
    assert asked(talk) == ["Q1", "A1", "Q2", "A2", wished]
    with entered(talk.tenant.scope):
        assert Message.objects.get(text="A2, shorter").wish == "Shorter"
    talk.send("Q3", conversationId=second.conversation_id)
    assert asked(talk) == ["Q1", "A1", "Q2", "A2, shorter", "Q3"]
    # Of a question there is no reply to be different from, and two in a row
    # many models refuse.
    question = talk.messages(second.conversation_id)[2]["id"]
    talk.send(None, **body, trigger="regenerate-message", messageId=question)
    assert asked(talk) == ["Q1", "A1", f"Q2\n\n{wished}"]


@pytest.mark.parametrize("target", ["question", "reply"])
def test_regenerating_an_earlier_answer(
    talk: Talk, second: Stream, target: str
) -> None:
    question, reply, *_ = talk.messages(second.conversation_id)
    talk.provider.enqueue(Answer(text="A1 anew"))
    chosen = question if target == "question" else reply
    regenerate(talk, second.conversation_id, chosen["id"])
    assert asked(talk) == ["Q1"]
    assert texts(talk.messages(second.conversation_id)) == ["Q1", "A1 anew"]
    talk.send("Q3", conversationId=second.conversation_id)
    assert asked(talk) == ["Q1", "A1 anew", "Q3"]


def test_editing_makes_a_sibling_of_the_message(talk: Talk, second: Stream) -> None:
    old = second.start["userMessageId"]
    body = sdk_body("Q2 better", chat=second.conversation_id, own_id=old, messageId=old)
    edited = talk.send(None, **body)
    assert asked(talk) == ["Q1", "A1", "Q2 better"]
    new = edited.start["userMessageId"]
    assert new != old
    active = talk.messages(second.conversation_id)
    assert texts(active) == ["Q1", "A1", "Q2 better", "w0 w1 w2 "]
    assert active[2]["sibling_ids"] == [old, new]
    assert "Q2" in texts(talk.messages(second.conversation_id, "all"))


def test_editing_the_first_message(talk: Talk, second: Stream) -> None:
    old = talk.messages(second.conversation_id)[0]["id"]
    talk.send(None, **sdk_body("Q1 b", chat=second.conversation_id, messageId=old))
    assert asked(talk) == ["Q1 b"]
    first = talk.messages(second.conversation_id)[0]
    assert first["parent_id"] is None
    assert len(first["sibling_ids"]) == 2


def test_only_ones_own_messages_can_be_edited(talk: Talk, second: Stream) -> None:
    reply = second.start["messageId"]
    body = sdk_body("Not mine", chat=second.conversation_id, messageId=reply)
    refused = talk.client.post(CHAT, json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert texts(talk.messages(second.conversation_id, "all"))[-1] == "A2"


def test_a_message_below_another_branches_there(talk: Talk, second: Stream) -> None:
    first_reply = talk.messages(second.conversation_id)[1]["id"]
    chat = second.conversation_id
    talk.send("Q2 b", conversationId=chat, parentId=first_reply)
    assert asked(talk) == ["Q1", "A1", "Q2 b"]
    active = talk.messages(chat)
    assert texts(active) == ["Q1", "A1", "Q2 b", "w0 w1 w2 "]
    assert len(active[2]["sibling_ids"]) == 2
    talk.send("Q3", conversationId=chat)
    assert asked(talk)[-1] == "Q3" and "Q2" not in asked(talk)


def test_regenerating_needs_something_to_answer(talk: Talk) -> None:
    body = {"messages": [], "trigger": "regenerate-message"}
    for extra in ({}, {"id": "never-seen-before"}):
        refused = talk.client.post(CHAT, json=body | extra)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


# ------------------------------------------------------------------ agents and models


def make_agent(talk: Talk, *, published: bool = True) -> Agent:
    with entered(talk.tenant.scope):
        agent = Agent.objects.create(slug="poet", name="Poet", published=published)
    point_agent(talk.tenant, talk.provider.url, slug="poet", temperature=0.25)
    return agent


@pytest.mark.parametrize("by", ["slug", "id", "number"])
def test_an_agent_is_chosen_by_id_or_slug(talk: Talk, by: str) -> None:
    agent = make_agent(talk)
    reference = {"slug": "poet", "id": str(agent.pk), "number": agent.pk}[by]
    stream = talk.send(agentId=reference)
    assert stream.start["agentId"] == str(agent.pk)
    assert talk.provider.requests[-1].body["temperature"] == 0.25
    assert talk.detail(stream.conversation_id)["agent_id"] == str(agent.pk)
    again = talk.send("And?", conversationId=stream.conversation_id)
    assert again.start["agentId"] == str(agent.pk), "the conversation keeps its agent"


def test_an_agent_that_does_not_exist(talk: Talk) -> None:
    for reference in ("nobody", "999999", "9" * 30, 10**30, ""):
        refused = talk.client.post(CHAT, json={"message": "x", "agentId": reference})
        if reference:
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        else:
            assert refused.status_code == 200


def test_a_draft_is_not_there_for_members_and_is_for_admins(talk: Talk) -> None:
    agent = make_agent(talk, published=False)
    for reference in ("poet", str(agent.pk)):
        refused = talk.client.post(CHAT, json={"message": "x", "agentId": reference})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    with Talk(talk.server, talk.tenant, talk.provider, "owner") as owner:
        assert owner.send(agentId="poet").start["agentId"] == str(agent.pk)


def test_a_conversation_whose_agent_was_withdrawn_goes_on(talk: Talk) -> None:
    agent = make_agent(talk)
    stream = talk.send(agentId="poet")
    with entered(talk.tenant.scope):
        Agent.objects.filter(pk=agent.pk).update(published=False)
    again = talk.send("And?", conversationId=stream.conversation_id)
    assert again.start["agentId"] != str(agent.pk)


def test_without_any_agent_the_answer_says_so(talk: Talk) -> None:
    with entered(talk.tenant.scope):
        Agent.objects.update(published=False)
    refused = talk.client.post(CHAT, json={"message": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_agent")
    assert talk.client.get(CHAT).json()["count"] == 0


def test_a_model_may_be_chosen_among_those_offered(talk: Talk) -> None:
    stream = talk.send(model=f"{STAND_IN}/{STAND_IN_MODEL}")
    assert stream.start["model"] == f"{STAND_IN}/{STAND_IN_MODEL}"
    for model in ("gpt-4o", f"{STAND_IN}/other", "local/../x", "/", STAND_IN):
        refused = talk.client.post(CHAT, json={"message": "x", "model": model})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
