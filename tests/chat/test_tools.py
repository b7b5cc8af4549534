"""Turns in which the model calls tools."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.services import update_agent
from chat.models import Turn, TurnLogEntry
from tenants.db import entered
from tests.chat.rows import make_conversation
from tests.chat.talk import CHAT, Talk
from tests.factories import email_of, point_agent
from tests.provider import Answer
from tests.servers import LiveServer
from usage.models import UsageRecord

SUM = ("calculator", '{"expression": "6*7"}')


def give_tools(talk: Talk, *names: str, **parameters: Any) -> None:
    with entered(talk.tenant.scope):
        agent = Agent.objects.get()
        update_agent(agent=agent, author=None, tools=list(names), parameters=parameters)


def tool_parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in message["parts"] if part["type"].startswith("tool-")]


def take_for_dead(talk: Talk) -> None:
    """The process that runs a turn was killed, and has been silent for long enough."""
    with entered(talk.tenant.scope):
        long_ago = timezone.now() - timedelta(hours=1)
        Turn.objects.running().update(heartbeat_at=long_ago)


def test_a_model_gets_what_its_tools_say_and_answers(each_talk: Talk) -> None:
    talk = each_talk
    give_tools(talk, "calculator", "datetime")
    talk.provider.enqueue(
        Answer(text="Let me see. ", calls=(SUM, ("datetime", "{}"))),
        Answer(text="It is 42."),
    )
    stream = talk.send("What is 6*7?")
    assert [kind for kind in stream.kinds if kind != "text-delta"] == [
        *("start", "start-step", "data-conversation", "text-start", "text-end"),
        *("tool-input-start", "tool-input-available") * 2,
        *("tool-output-available",) * 2,
        *("finish-step", "start-step", "text-start", "text-end", "finish-step"),
        "finish",
    ]
    first, second = (request.body for request in talk.provider.requests)
    assert [tool["function"]["name"] for tool in first["tools"]] == [
        *("calculator", "datetime")
    ]
    asked, result, _ = second["messages"][-3:]
    assert asked["content"] == "Let me see. "
    assert asked["tool_calls"][0]["function"] == {
        "name": "calculator",
        "arguments": '{"expression": "6*7"}',
    }
    assert (result["tool_call_id"], result["content"]) == (
        asked["tool_calls"][0]["id"],
        "42",
    )
    reply = talk.messages(stream.conversation_id)[-1]
    assert [part["type"] for part in reply["parts"]] == [
        *("text", "tool-calculator", "tool-datetime", "step-start", "text")
    ]
    called = tool_parts(reply)[0]
    assert called["durationMs"] >= 0
    assert (called["state"], called["input"], called["output"]) == (
        "output-available",
        {"expression": "6*7"},
        "42",
    )
    assert reply["text"] == stream.text == "Let me see. It is 42."
    finish = stream.parts[-1]
    assert (finish["finishReason"], reply["prompt_tokens"]) == ("stop", 20)
    assert finish["messageMetadata"]["usage"]["totalTokens"] == reply["total_tokens"]
    with entered(talk.tenant.scope):
        used = UsageRecord.objects.filter(message_id=reply["id"])
        assert sum(row.total_tokens for row in used) == reply["total_tokens"]


def test_the_next_turn_knows_what_the_tools_said(talk: Talk) -> None:
    give_tools(talk, "calculator")
    talk.provider.enqueue(Answer(calls=(SUM,)), Answer(text="42."), Answer(text="Yes."))
    chat = talk.send("What is 6*7?").conversation_id
    talk.send("Sure?", conversationId=chat)
    history = talk.provider.requests[-1].body["messages"]
    assert [message["role"] for message in history] == [
        *("system", "user", "assistant", "tool", "assistant", "user")
    ]
    assert (history[3]["content"], history[4]["content"]) == ("42", "42.")


def test_a_model_that_loops_on_tools_ends_at_the_limit(talk: Talk) -> None:
    give_tools(talk, "calculator", max_steps=3)
    talk.provider.on("some-model", Answer(calls=(SUM,)))
    stream = talk.send()
    assert len(talk.provider.requests) == 3
    assert stream.parts[-1]["finishReason"] == "length"
    calls = tool_parts(talk.messages(stream.conversation_id)[-1])
    assert [call["state"] for call in calls] == [
        *("output-available", "output-available", "output-error")
    ]
    assert "at most 3 steps" in calls[-1]["errorText"]
    assert len({call["toolCallId"] for call in calls}) == 3, "the model repeats its ids"


WRONG = [
    (("calculator", '{"expression": "1/0"}'), "divides by zero"),
    (("calculator", '{"expression": 5}'), "Wrong arguments"),
    (("calculator", '{"__proto__": {"a": 1}}'), "not a JSON object"),
    (("calculator", '{"expression": "1", "a\\u0000": "\\ud800"}'), "JSON object"),
    (("calculator", "{nonsense"), "not a JSON object"),
    (("calculator", "[" * 100_000), "not a JSON object"),
    (("calculator", '{"expression": 1e999}'), "not a JSON object"),
    (("calculator", '{"expression": "9**9**9**9"}'), "too large"),
    (("datetime", '{"zone": "../../etc/passwd"}'), "no such time zone"),
    (("delete_everything", "{}"), "There is no tool"),
    (("fetch_page", '{"url": "http://127.0.0.1/"}'), "There is no tool"),
]


def test_the_model_is_told_what_went_wrong_and_goes_on(talk: Talk) -> None:
    give_tools(talk, "calculator", "datetime")
    calls = tuple(call for call, _ in WRONG)
    talk.provider.enqueue(Answer(calls=calls), Answer(text="I cannot."))
    stream = talk.send()
    assert stream.text == "I cannot."
    said = talk.provider.requests[-1].body["messages"][-len(WRONG) :]
    parts = tool_parts(talk.messages(stream.conversation_id)[-1])
    for (_, told), message, part in zip(WRONG, said, parts, strict=True):
        assert message["role"] == "tool"
        assert part["state"] == "output-error"
        assert told in part["errorText"]
        assert told in message["content"]


def test_a_search_finds_only_what_the_person_may_see(talk: Talk) -> None:
    make_conversation(talk.tenant, said=("The plum is blue.", "Noted."))
    make_conversation(talk.tenant, "stranger", said=("A secret plum.", "Hush."))
    shared = make_conversation(
        talk.tenant, "stranger", said=("Our <b>plums</b> & pears.", "Noted.")
    )
    body = {"with": email_of(talk.tenant, "member"), "role": "viewer"}
    with talk.server.client(talk.tenant, "stranger") as stranger:
        path = f"{CHAT}/{shared.pk}/shares"
        share = stranger.post(path, json=body).json()["id"]
        give_tools(talk, "search_conversations")
        found = searched(talk, "plum")
        assert "The plum is blue." in found
        assert "Our <b>plums</b> & pears." in found, "as the search does, by stems"
        assert "secret" not in found
        assert stranger.delete(f"{path}/{share}").status_code == 204
    assert "pears" not in searched(talk, "plum")
    for query in ("", "-", "!!!", "the"):
        assert searched(talk, query)


def searched(talk: Talk, query: str) -> str:
    """What the tool answers."""
    given = json.dumps({"query": query})
    talk.provider.enqueue(
        Answer(calls=(("search_conversations", given),)), Answer(text="Found.")
    )
    stream = talk.send("Which colour?")
    [part] = tool_parts(talk.messages(stream.conversation_id)[-1])
    output: str = part["output"]
    return output


def test_a_stop_ends_the_tools_that_work(talk: Talk) -> None:
    give_tools(talk, "fetch_page")
    url = json.dumps({"url": f"{talk.provider.url}/slow"})
    talk.provider.hold("/slow")
    talk.provider.enqueue(Answer(text="Reading. ", calls=(("fetch_page", url),)))
    with talk.open() as stream:
        stream.until("tool-input-available")
        talk.provider.wait_requests(2)
        talk.stop(stream.start["conversationId"])
        stream.rest()
    assert stream.kinds[-2:] == ["tool-output-error", "abort"]
    talk.provider.wait_closed()
    reply = talk.wait_ended(stream.conversation_id)
    assert (reply["status"], reply["text"]) == ("stopped", "Reading. ")
    assert [part["state"] for part in tool_parts(reply)] == ["output-error"]


@pytest.mark.long
def test_a_worker_killed_in_a_tool_loses_nothing_that_was_shown(
    start_server: Callable[..., LiveServer], talk: Talk
) -> None:
    server = start_server(TURN_FLUSH_SECONDS="0.1")
    give_tools(talk, "fetch_page")
    url = json.dumps({"url": f"{talk.provider.url}/slow"})
    talk.provider.hold("/slow")
    talk.provider.enqueue(Answer(text="Reading. ", calls=(("fetch_page", url),)))
    with Talk(server, talk.tenant, talk.provider) as person, person.open() as stream:
        stream.until("tool-input-available")
        chat = stream.conversation_id
        with entered(talk.tenant.scope):
            while not TurnLogEntry.objects.filter(events__contains=[["i"]]).exists():
                pass
        os.kill(server.pid, signal.SIGKILL)
    take_for_dead(talk)
    reply = talk.wait_ended(chat)
    assert (reply["status"], reply["text"]) == ("interrupted", "Reading. ")
    [part] = tool_parts(reply)
    assert (part["state"], part["errorText"]) == (
        "output-error",
        "The answer ended before this tool did.",
    )


def test_hostile_outputs_are_text_on_the_page(talk: Talk) -> None:
    give_tools(talk, "search_conversations")
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)> plum"
    make_conversation(talk.tenant, said=(evil, "Noted."))
    talk.provider.enqueue(
        Answer(text="**a**", calls=(("search_conversations", '{"query": "plum"}'),)),
        Answer(text="**b**"),
    )
    with talk.open(query="?render=html") as stream:
        stream.rest()
    blocks = {
        part["data"]["block"]: part["data"]["html"]
        for part in stream.parts
        if part["type"] == "data-html"
    }
    assert list(blocks) == [0, 1, 2]
    assert "<strong>a</strong>" in blocks[0]
    assert "<strong>b</strong>" in blocks[2]
    assert "&lt;script&gt;alert(1)" in blocks[1]
    assert "<script" not in blocks[1]
    assert "<img" not in blocks[1]


def test_an_agent_lists_only_tools_that_exist(talk: Talk) -> None:
    point_agent(talk.tenant, talk.provider.url)
    admin = talk.server.client(talk.tenant, "owner")
    with admin:
        for names in (["nothing"], ["docs__search"], ["a b"], ["calculator__x"]):
            answer = admin.patch("/api/v1/agents/assistant", json={"tools": names})
            assert (answer.status_code, list(answer.json()["fields"])) == (
                400,
                ["tools"],
            )
        answer = admin.patch(
            "/api/v1/agents/assistant", json={"tools": ["calculator", "calculator"]}
        )
        assert answer.json()["tools"] == ["calculator"]


def test_a_revision_made_in_the_middle_of_a_turn_does_not_change_it(
    talk: Talk,
) -> None:
    """Neither its prompt nor the tools that it calls."""
    give_tools(talk, "calculator")
    talk.provider.enqueue(
        Answer(text="Let me see. ", calls=(SUM,), pace=4), Answer(text="42.")
    )
    with talk.open() as stream:
        stream.until("text-delta")
        with entered(talk.tenant.scope):
            agent = Agent.objects.get()
            update_agent(agent=agent, author=None, tools=[], system_prompt="Be rude.")
        stream.rest()
    assert stream.text == "Let me see. 42."
    reply = talk.messages(stream.conversation_id)[-1]
    assert tool_parts(reply)[0]["output"] == "42"
    first, second = (request.body for request in talk.provider.requests)
    assert first["messages"][0] == second["messages"][0]
    assert first["tools"] == second["tools"]
    with entered(talk.tenant.scope):
        newest = Agent.objects.get().revision
        assert newest is not None
        assert newest.number == reply["agent_revision"] + 1
