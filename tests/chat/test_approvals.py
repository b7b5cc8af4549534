"""Who may allow a tool's call, when, and with whose rights it is then made."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accounts.services import create_user
from agents.models import Agent, Provider
from agents.services import create_agent, update_agent, update_provider
from chat.models import Message, Turn
from chat.parts import decided_parts, parts_of
from chat.turns.events import ApprovalAsked, Recalled, ToolAsked
from tenants.db import entered
from tests.chat.rows import make_conversation
from tests.chat.talk import CHAT, Talk
from tests.chat.test_mcp import ADD, add_server, decide
from tests.chat.test_sharing_live import share
from tests.chat.test_tools import give_tools, take_for_dead, tool_parts
from tests.factories import STAND_IN, email_of
from tests.mcp_server import McpStandIn
from tests.provider import Answer
from tests.servers import LiveServer

SEARCH = ("search_conversations", '{"query": "plum"}')


def wait_for_a_person(talk: Talk, *calls: tuple[str, str], **fields: Any) -> list[str]:
    """The ids under which a new reply asks."""
    talk.provider.enqueue(Answer(text="May I? ", calls=calls or (ADD,)))
    stream = talk.send("Add.", **fields)
    asked = [p for p in stream.parts if p["type"] == "tool-approval-request"]
    return [part["approvalId"] for part in asked]


def chat_of(talk: Talk) -> str:
    found: str = talk.client.get(CHAT).json()["results"][0]["id"]
    return found


def test_only_who_asked_and_the_owner_may_allow_a_call(
    talk: Talk, mcp: McpStandIn
) -> None:
    """And its tools find what the one who asked may see, not what the owner may."""
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add", "search_conversations")
    make_conversation(talk.tenant, said=("The owner's plum.", "Hush."))
    make_conversation(talk.tenant, "stranger", said=("The guest's plum.", "Hm."))
    with entered(talk.tenant.scope):
        create_user(email=email_of(talk.tenant, "third"), password="violet-anchor-42")
    chat = talk.send("Hello").conversation_id
    share(talk, chat, "participant")
    body = {"with": email_of(talk.tenant, "third"), "role": "participant"}
    assert talk.client.post(f"{CHAT}/{chat}/shares", json=body).status_code == 201
    with (
        Talk(talk.server, talk.tenant, talk.provider, "stranger") as guest,
        Talk(talk.server, talk.tenant, talk.provider, "third") as third,
    ):
        ids = wait_for_a_person(guest, conversationId=chat)
        answer = {"id": ids[0], "approved": True}
        refused = third.client.post(
            CHAT, json={"conversationId": chat, "approvals": [answer]}
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert mcp.calls == []
    talk.provider.enqueue(Answer(calls=(SEARCH,)), Answer(text="Found."))
    assert decide(talk, chat, ids).text == "Found."
    added, searched = tool_parts(talk.messages(chat)[-1])
    assert added["output"] == "5"
    assert "The guest's plum." in searched["output"]
    assert "The owner's plum." not in searched["output"]


def test_who_may_only_read_a_conversation_is_told_so(
    talk: Talk, mcp: McpStandIn
) -> None:
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add")
    ids = wait_for_a_person(talk)
    chat = chat_of(talk)
    share(talk, chat, "viewer")
    body = {"conversationId": chat, "approvals": [{"id": ids[0], "approved": True}]}
    with talk.server.client(talk.tenant, "stranger") as viewer:
        assert viewer.post(CHAT, json=body).json()["code"] == "forbidden"


def test_a_tool_that_was_taken_from_the_agent_is_not_called(
    talk: Talk, mcp: McpStandIn
) -> None:
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add", "calculator")
    ids = wait_for_a_person(talk)
    give_tools(talk, "calculator")
    talk.provider.enqueue(Answer(text="Then not."))
    assert decide(talk, chat_of(talk), ids).text == "Then not."
    [part] = tool_parts(talk.messages(chat_of(talk))[-1])
    assert "There is no tool" in part["errorText"]
    assert mcp.calls == []


def test_an_agent_that_is_no_longer_offered_calls_nothing(
    talk: Talk, mcp: McpStandIn
) -> None:
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add")
    ids = wait_for_a_person(talk)
    with entered(talk.tenant.scope):
        create_agent(slug="all", name="All", model="local/any", is_default=True)
        agent = Agent.objects.get(slug="assistant")
        update_agent(agent=agent, author=None, visibility="roles", roles=["owner"])
    body = {"approvals": [{"id": ids[0], "approved": True}]}
    answer = talk.client.post(CHAT, json={"conversationId": chat_of(talk), **body})
    assert answer.json()["code"] == "invalid"
    assert mcp.calls == []


def test_two_answers_at_once_make_one_call(talk: Talk, mcp: McpStandIn) -> None:
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add")
    ids = wait_for_a_person(talk)
    chat = chat_of(talk)
    talk.provider.enqueue(Answer(text="Five."))
    body = {
        "conversationId": chat,
        "approvals": [{"id": ids[0], "approved": True}],
        "stream": False,
    }

    def answer(_: int) -> int:
        with talk.server.client(talk.tenant, "member") as client:
            return client.post(CHAT, json=body).status_code

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(answer, range(6))) <= {200, 409}
    assert mcp.calls == [("add", (2, 3))]
    assert talk.wait_ended(chat)["text"] == "May I? Five."
    with entered(talk.tenant.scope):
        assert Turn.objects.filter(conversation=chat).count() == 2


def test_a_call_that_was_stopped_is_not_made_again(talk: Talk, mcp: McpStandIn) -> None:
    add_server(talk, mcp, approval="always", timeout=60)
    give_tools(talk, "docs__hang")
    ids = wait_for_a_person(talk, ("docs__hang", "{}"))
    chat = chat_of(talk)
    answers = [{"id": ids[0], "approved": True}]
    with talk.open(None, conversationId=chat, approvals=answers) as going:
        while not mcp.calls:
            time.sleep(0.01)
        talk.stop(chat)
        going.rest()
    assert going.kinds[-1] == "abort"
    decide(talk, chat, ids)
    assert len(mcp.calls) == 1
    [part] = tool_parts(talk.messages(chat)[-1])
    assert part["errorText"] == "The answer was stopped."


@pytest.mark.long
def test_a_call_that_a_killed_process_may_have_made_is_not_offered_again(
    start_server: Callable[..., LiveServer], talk: Talk, mcp: McpStandIn
) -> None:
    add_server(talk, mcp, approval="always", timeout=60)
    give_tools(talk, "docs__hang")
    ids = wait_for_a_person(talk, ("docs__hang", "{}"))
    chat = chat_of(talk)
    server = start_server(TURN_FLUSH_SECONDS="30")
    answers = [{"id": ids[0], "approved": True}]
    with (
        Talk(server, talk.tenant, talk.provider) as person,
        person.open(None, conversationId=chat, approvals=answers),
    ):
        while not mcp.calls:
            time.sleep(0.01)
        os.kill(server.pid, signal.SIGKILL)
    take_for_dead(talk)
    assert talk.wait_ended(chat)["status"] == "interrupted"
    decide(talk, chat, ids)
    assert len(mcp.calls) == 1
    [part] = tool_parts(talk.messages(chat)[-1])
    assert part["errorText"] == "The answer ended before this tool did."


def test_a_decision_that_its_log_had_no_time_for_counts() -> None:
    """The process died between two flushes: the row has it, and the log has not."""
    calls = [ToolAsked("a", "docs__add", {}), ToolAsked("b", "docs__add", {})]
    asked = [ApprovalAsked("a", "ask-a"), ApprovalAsked("b", "ask-b")]
    logged = parts_of([Recalled((*calls, *asked))])
    states = ({"state": "approval-responded"}, {"state": "output-denied"})
    stored = [part | state for part, state in zip(logged, states, strict=True)]
    first, second = decided_parts(logged, stored)
    assert first["state"] == "output-error"
    assert second["state"] == "output-denied"
    assert decided_parts(logged, logged) == logged, "nothing was decided"


def test_a_call_waits_on_while_its_model_cannot_be_asked(
    talk: Talk, mcp: McpStandIn
) -> None:
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add")
    ids = wait_for_a_person(talk)
    chat = chat_of(talk)
    with entered(talk.tenant.scope):
        provider = Provider.objects.get(name=STAND_IN)
        update_provider(provider=provider, enabled=False)
    assert decide(talk, chat, ids).parts[-1]["type"] == "error"
    assert mcp.calls == []
    with entered(talk.tenant.scope):
        update_provider(provider=provider, enabled=True)
        reply = Message.objects.get(conversation=chat, role="assistant")
        assert [part["state"] for part in reply.parts if "state" in part] == [
            "approval-requested"
        ]
    talk.provider.enqueue(Answer(text="Five."))
    assert decide(talk, chat, ids).text == "Five."
    assert mcp.calls == [("add", (2, 3))]
