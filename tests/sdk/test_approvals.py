"""The AI SDK's client and calls of tools that wait for a person."""

from __future__ import annotations

import pytest

from agents.models import Agent
from agents.services import create_mcp_server, update_agent
from tenants.db import entered
from tests.mcp_server import McpStandIn
from tests.provider import Answer
from tests.sdk.conftest import Person

pytestmark = pytest.mark.node


def test_a_call_that_is_allowed_continues_the_same_message(
    each_person: Person,
) -> None:
    talk = each_person.talk
    with McpStandIn() as mcp:
        with entered(talk.tenant.scope):
            create_mcp_server(name="docs", url=mcp.url, approval="always")
            agent = Agent.objects.get()
            update_agent(agent=agent, author=None, tools=["docs__add"])
        call = ("docs__add", '{"a": 2, "b": 3}')
        each_person.provider.enqueue(
            Answer(text="May I? ", calls=(call,)), Answer(text="Five.")
        )
        chat = each_person.mount()
        asked = chat.send("Add.")
        waiting = asked.messages[-1]["parts"][-1]
        assert waiting["state"] == "approval-requested"
        answer = {"id": waiting["approval"]["id"], "approved": True}
        chat.settle(chat.begin("addToolApprovalResponse", answer))
        state = chat.settle(chat.begin("sendMessage"))
        assert mcp.calls == [("add", (2, 3))]
    assert (state.status, state.error) == ("ready", None)
    assert state.ids == asked.ids, "no second message"
    parts = state.messages[-1]["parts"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    assert texts == ["May I? ", "Five."], "nothing comes twice"
    [called] = [part for part in parts if part["type"] == "tool-docs__add"]
    assert (called["state"], called["output"]) == ("output-available", "5")
    history = each_person.history(state.id)[-1]["parts"]
    assert [part["type"] for part in history if part["type"] != "step-start"] == [
        part["type"] for part in parts if part["type"] != "step-start"
    ]
