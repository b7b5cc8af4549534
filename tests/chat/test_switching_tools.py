"""Models of several makers in one conversation in which tools were called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents.services import create_agent, create_provider
from tenants.db import entered
from tests.anthropic import SIGNATURE, AnthropicProvider, Turn
from tests.chat.talk import Stream, Talk
from tests.chat.test_mcp import ADD, add_server, decide
from tests.chat.test_tools import SUM, give_tools, tool_parts
from tests.mcp_server import McpStandIn
from tests.provider import Answer

CALL = ("calculator", {"expression": "6*7"})


@pytest.fixture
def anthropic() -> Iterator[AnthropicProvider]:
    with AnthropicProvider() as running:
        yield running


def add_claude(talk: Talk, anthropic: AnthropicProvider, *tools: str) -> None:
    with entered(talk.tenant.scope):
        create_provider(
            name="claude", kind="anthropic", base_url=anthropic.url, api_key="sk-ant-1"
        )
        create_agent(
            slug="claude",
            name="Claude",
            model="claude/claude-sonnet-4-5",
            parameters={"reasoning_effort": "low"} if tools else {},
            tools=tools,
        )


def ended(stream: Stream) -> str:
    assert stream.parts[-1]["type"] == "finish", stream.parts[-1]
    return stream.text


def kinds(message: dict[str, Any]) -> list[str]:
    content = message["content"]
    return ["text"] if isinstance(content, str) else [b["type"] for b in content]


def test_a_model_that_thinks_gets_its_signed_thoughts_back_with_the_results(
    talk: Talk, anthropic: AnthropicProvider
) -> None:
    add_claude(talk, anthropic, "calculator", "datetime")
    anthropic.enqueue(
        Turn("Let me see. ", "Six sevens.", (CALL, ("datetime", {}))),
        Turn("", "Once more.", (CALL,)),
        Turn("It is 42."),
    )
    stream = talk.send("What is 6*7?", agentId="claude")
    assert ended(stream) == "Let me see. It is 42."
    first, second, third = (body for _, body in anthropic.requests)
    assert [tool["name"] for tool in first["tools"]] == ["calculator", "datetime"]
    asked, results = second["messages"][1:]
    assert kinds(asked) == ["thinking", "text", "tool_use", "tool_use"]
    assert asked["content"][0]["signature"] == SIGNATURE
    assert asked["content"][2]["input"] == CALL[1]
    assert kinds(results) == ["tool_result", "tool_result"]
    assert "42" in str(results["content"][0]["content"])
    assert kinds(third["messages"][3]) == ["thinking", "tool_use"]
    reply = talk.messages(stream.conversation_id)[-1]
    assert [part["type"] for part in reply["parts"]] == [
        *("reasoning", "text", "tool-calculator", "tool-datetime", "step-start"),
        *("reasoning", "tool-calculator", "step-start", "text"),
    ]
    # Afterwards nobody needs to know what it thought.
    talk.send("Sure?", conversationId=stream.conversation_id, agentId="claude")
    _, later = anthropic.requests[-1]
    assert "Six sevens" not in str(later["messages"])
    assert kinds(later["messages"][1]) == ["text", "tool_use", "tool_use"]


def test_tool_calls_and_reasoning_go_from_openai_to_anthropic_and_back(
    talk: Talk, anthropic: AnthropicProvider
) -> None:
    give_tools(talk, "calculator")
    add_claude(talk, anthropic, "calculator")
    talk.provider.enqueue(
        Answer(text="By GPT. ", reasoning=("Hm.",), calls=(SUM,)), Answer(text="42.")
    )
    anthropic.enqueue(
        Turn("By Claude. ", "Let me.", (CALL,)), Turn("Also 42."), Turn("Yes.")
    )
    chat = talk.send("One").conversation_id
    second = talk.send("Two", conversationId=chat, agentId="claude")
    assert ended(second) == "By Claude. Also 42."
    talk.provider.enqueue(Answer(text="Back again."))
    third = talk.send("Three", conversationId=chat, agentId="assistant")
    assert ended(third) == "Back again."
    history = talk.provider.requests[-1].body["messages"]
    assert [m["role"] for m in history] == [
        *("system", "user", "assistant", "tool", "assistant"),
        *("user", "assistant", "tool", "assistant", "user"),
    ]
    calls = [m["tool_calls"][0] for m in history if m.get("tool_calls")]
    assert [call["id"] for call in calls] == [
        m["tool_call_id"] for m in history if m["role"] == "tool"
    ]
    assert not {"Hm.", "Let me."} & {m.get("content") for m in history}
    assert "reasoning_content" not in str(history)
    assert "thinking" not in str(history)
    fourth = talk.send("Four", conversationId=chat, agentId="claude")
    assert ended(fourth) == "Yes."


def test_a_model_without_tools_reads_of_earlier_calls_as_text(
    talk: Talk, anthropic: AnthropicProvider
) -> None:
    give_tools(talk, "calculator")
    add_claude(talk, anthropic)
    talk.provider.enqueue(Answer(text="Let me. ", calls=(SUM,)), Answer(text="42."))
    chat = talk.send("One").conversation_id
    second = talk.send("Two", conversationId=chat, agentId="claude")
    assert ended(second) == "Salut from Claude."
    [(_, body)] = anthropic.requests
    assert "tools" not in body
    said = str(body["messages"][1]["content"])
    assert "calculator was called with" in said
    assert "calculator answered: 42" in said
    parts = tool_parts(talk.messages(chat)[1])
    assert [part["state"] for part in parts] == ["output-available"]


def add_agent(talk: Talk, kind: str, model: str, *tools: str) -> None:
    """With the stand-in in the place of a provider that speaks OpenAI's format."""
    with entered(talk.tenant.scope):
        create_provider(
            name=kind, kind=kind, base_url=talk.provider.url, api_key="sk-other-1"
        )
        create_agent(slug="other", name=kind, model=f"{kind}/{model}", tools=tools)


def test_mistral_is_shown_the_calls_of_others_by_ids_it_takes(talk: Talk) -> None:
    give_tools(talk, "calculator")
    add_agent(talk, "mistral", "mistral-large-latest", "calculator")
    talk.provider.enqueue(
        *(Answer(calls=(SUM,)), Answer(text="42.")) * 2, Answer(text="Yes.")
    )
    chat = talk.send("One").conversation_id
    talk.send("Two", conversationId=chat, agentId="other")
    talk.send("Three", conversationId=chat, agentId="other")
    history = talk.provider.requests[-1].body["messages"]
    asked = [m["tool_calls"][0]["id"] for m in history if m.get("tool_calls")]
    answered = [m["tool_call_id"] for m in history if m["role"] == "tool"]
    assert asked == answered and len(set(asked)) == 2
    assert all(len(one) == 9 and one.isalnum() for one in asked)
    before = talk.provider.requests[-2].body["messages"]
    again = [m["tool_call_id"] for m in before if m["role"] == "tool"]
    assert again == answered, "the same ones each time"


@pytest.mark.parametrize("kind", ["deepseek", "openai_compatible"])
def test_who_needs_its_thinking_gets_it_back_after_a_person_allowed_a_call(
    talk: Talk, mcp: McpStandIn, kind: str
) -> None:
    add_server(talk, mcp, approval="always")
    add_agent(talk, kind, "deepseek-reasoner", "docs__add")
    talk.provider.enqueue(
        Answer(text="May I? ", reasoning=("Two and ", "three."), calls=(ADD,)),
        Answer(text="Five."),
    )
    stream = talk.send("Add.", agentId="other")
    ids = [p["approvalId"] for p in stream.parts if "approvalId" in p]
    assert ended(decide(talk, stream.conversation_id, ids)) == "Five."
    called = talk.provider.requests[-1].body["messages"][-2]
    thought = "Two and three." if kind == "deepseek" else None
    assert called.get("reasoning_content") == thought
