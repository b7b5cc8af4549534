"""Calls of tools as no model should write them: the reply is kept, and so is what
comes after it."""

from __future__ import annotations

import json
from typing import Any

from llm.calls import Calls
from llm.prompt import without_calls
from tests.chat.talk import Talk
from tests.chat.test_tools import SUM, give_tools, tool_parts
from tests.provider import Answer

CALLS = (
    ("calc\x00ulator", "{}"),
    ("calculator\n", "{}"),
    ("x" * 100_000, "{}"),
    ("a b/<script>", "{}"),
    ("calculator", json.dumps({"expression": "1", "a": 10**30})),
    ("calculator", '{"expression": "1", "a": 1e30}'),
    ("calculator", '{"expression": "1", "a": ' + "[" * 300 + "]" * 300 + "}"),
    ("calculator", '{"expression": "' + "1+" * 400 + '1"}'),
)


def test_whatever_a_model_calls_its_conversation_goes_on(talk: Talk) -> None:
    give_tools(talk, "calculator")
    talk.provider.enqueue(Answer(calls=CALLS), Answer(text="I cannot."))
    stream = talk.send()
    assert stream.text == "I cannot."
    chat = stream.conversation_id
    reply = talk.messages(chat)[-1]
    assert reply["status"] == "complete"
    parts = tool_parts(reply)
    assert [part["type"] for part in parts[:4]] == [
        *("tool-calc_ulator", "tool-calculator_", f"tool-{'x' * 63}_"),
        "tool-a_b__script_",
    ]
    assert {part["state"] for part in parts} == {"output-error"}
    assert talk.send("And now?", conversationId=chat).kinds[-1] == "finish"
    names = [
        call["function"]["name"]
        for message in talk.provider.requests[-1].body["messages"]
        for call in message.get("tool_calls", ())
    ]
    assert len(names) == len(CALLS)


def test_a_model_without_tools_that_calls_one_is_told(talk: Talk) -> None:
    give_tools(talk)
    talk.provider.enqueue(Answer(calls=(SUM,)), Answer(text="Then not."))
    stream = talk.send()
    assert stream.text == "Then not."
    [part] = tool_parts(talk.messages(stream.conversation_id)[-1])
    assert "There is no tool" in part["errorText"]


def test_pieces_of_the_wrong_kind_break_nothing() -> None:
    calls = Calls()
    calls.take([{"index": [], "id": 7, "function": {"name": ["x"], "arguments": [1]}}])
    assert calls.all() == ()
    calls.add(0, "a" * 200, "name", {"a": 1})
    [call] = calls.all()
    assert (call.name, call.arguments) == ("name", '{"a": 1}')
    assert len(call.call_id) < 64


def test_a_history_without_tools_is_text_and_ends_with_the_user() -> None:
    function = {"name": "add", "arguments": "{}"}
    asked: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": function}],
    }
    said = {"role": "tool", "tool_call_id": "a", "content": "5"}
    question = {"role": "user", "content": "2+3?"}
    told = without_calls([question, asked, said])
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert told[1]["content"] == (
        "(The tool add was called with {})\n(The tool add answered: 5)"
    )
    plain = [question]
    assert without_calls(plain) is plain
