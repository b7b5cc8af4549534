"""What of a prompt fits a small window, whatever its tools say."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from typing import Any

import pytest

from agents.tools.running import LEFT_OUT
from chat.fitting import fitted, is_crowded, refitted
from llm import tokens
from llm.client import Endpoint, Prompt
from llm.events import ToolCalled
from llm.prompt import CONTINUE, Message, asked_tools, tool_result
from tests.chat.talk import Talk
from tests.chat.test_mcp import add_server, decide
from tests.chat.test_tools import give_tools, tool_parts
from tests.mcp_server import McpStandIn
from tests.provider import Answer

MODEL = "gpt-4"  # reads 8,192 tokens
LONG = ("docs__long", "{}")
QUESTION = {"role": "user", "content": "What is in the page?"}
SYSTEM = {"role": "system", "content": "You are a test."}
DENSE = base64.b64encode(random.Random(5).randbytes(48 * 1024)).decode()


def said(*outputs: str) -> list[Message]:
    calls = [ToolCalled(f"call_{n}", "read", "{}") for n in range(len(outputs))]
    results = [tool_result(call.call_id, outputs[n]) for n, call in enumerate(calls)]
    return [asked_tools("", calls), *results]


def size(messages: Sequence[Message]) -> int:
    return tokens.count_messages(messages, MODEL)


@pytest.mark.parametrize(
    "text",
    [
        DENSE,
        "word " * 20_000,
        "漢字" * 10_000,
        "a" * 65_000,
        DENSE[:4_000] + "x " * 9**5,
    ],
    ids=lambda text: text[:4],
)
def test_what_a_tool_says_never_fills_the_window(text: str) -> None:
    sent = fitted([SYSTEM, QUESTION, *said(text)], MODEL, 8_192, 4_096)
    assert size(sent) <= 4_096
    assert sent[:2] == [SYSTEM, QUESTION]
    kept, mark, rest = sent[-1]["content"].partition(LEFT_OUT)
    assert text.startswith(kept) and mark and not rest
    assert size(sent) > 3_000, "no more than it takes is left out"


def test_the_longest_results_shrink_and_the_short_ones_stay() -> None:
    texts = ("42", "word " * 500, DENSE, "word " * 9_000)
    sent = fitted([SYSTEM, QUESTION, *said(*texts)], MODEL, 8_192, 4_096)
    assert size(sent) <= 4_096
    contents = [message["content"] for message in sent[3:]]
    assert contents[:2] == [*texts[:2]]
    assert [LEFT_OUT in content for content in contents[2:]] == [True, True]
    assert min(tokens.count_text(content, MODEL) for content in contents[2:]) > 1_000


def test_an_exchange_is_kept_for_what_was_said_though_its_results_were_long() -> None:
    """Else nobody could ask about the answer that was just given."""
    before = [*said(DENSE), {"role": "assistant", "content": "It has 48 KiB."}]
    asked = {"role": "user", "content": "Are you sure?"}
    sent = fitted([SYSTEM, QUESTION, *before, asked], MODEL, 8_192, 4_096)
    assert size(sent) <= 4_096
    assert [m["role"] for m in sent] == [
        *("system", "user", "assistant", "tool", "assistant", "user")
    ]
    assert sent[3]["content"].endswith(LEFT_OUT)


def test_a_reply_that_goes_on_stays_with_its_question_and_its_results() -> None:
    begun = [
        {"role": "assistant", "content": "So"},
        {"role": "user", "content": CONTINUE},
    ]
    sent = fitted([SYSTEM, QUESTION, *begun, *said(DENSE)], MODEL, 8_192, 4_096)
    assert sent[:4] == [SYSTEM, QUESTION, *begun]
    assert size(sent) <= 4_096


def test_the_tools_themselves_need_room_too() -> None:
    spec: dict[str, Any] = {"name": "read", "description": "word " * 5_000}
    prompt = Prompt(
        Endpoint("openai"),
        MODEL,
        [
            SYSTEM,
            *[QUESTION, {"role": "assistant", "content": "word " * 900}] * 3,
            QUESTION,
        ],
        {"max_tokens": 1_000},
        tools=[{"type": "function", "function": spec}],
    )
    assert is_crowded(prompt)
    sent = refitted(prompt).messages
    assert sent[-1] == QUESTION and len(sent) < len(prompt.messages)
    assert size(sent) + tokens.count_tools(prompt.tools, MODEL) + 1_000 <= 8_192


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning_content": "word " * 2_000},
        {"thinking_blocks": [{"type": "thinking", "thinking": "word " * 2_000}]},
    ],
    ids=lambda thought: next(iter(thought)),
)
def test_thinking_that_goes_back_takes_its_room(thought: dict[str, Any]) -> None:
    asked, result = said("word " * 9_000)
    sent = fitted([QUESTION, {**asked, **thought}, result], MODEL, 8_192, 4_096)
    assert tokens.count_text(sent[-1]["content"], MODEL) < 2_200
    assert size(sent) <= 4_096


# --------------------------------------------------------------- on a live server


def sizes(talk: Talk) -> list[int]:
    """Tokens of each call, with what was kept for its reply."""
    return [
        size(r.body["messages"])
        + tokens.count_tools(r.body["tools"], MODEL)
        + r.body["max_tokens"]
        for r in talk.provider.requests
    ]


@pytest.mark.parametrize("approval", ["never", "always"])
def test_a_turn_survives_a_tool_that_says_more_than_its_model_reads(
    talk: Talk, mcp: McpStandIn, approval: str
) -> None:
    """Of a server that people run themselves nobody knows the window: 8,192."""
    add_server(talk, mcp, approval=approval)
    give_tools(talk, "docs__long")
    talk.provider.enqueue(Answer(calls=(LONG, LONG)), Answer(text="Long."))
    stream = talk.send("Read it twice.")
    chat = stream.conversation_id
    if approval == "always":
        asked = [p for p in stream.parts if p["type"] == "tool-approval-request"]
        stream = decide(talk, chat, [part["approvalId"] for part in asked])
    assert stream.text == "Long."
    talk.send("And?", conversationId=chat)
    assert max(sizes(talk)) <= 8_192
    parts = tool_parts(talk.messages(chat)[1])
    assert {len(part["output"].encode()) for part in parts} == {64 * 1024}
    roles = [m["role"] for m in talk.provider.requests[-1].body["messages"]]
    assert roles.count("tool") == 2, "the next turn knows of them"
