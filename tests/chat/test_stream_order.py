"""What a stream consists of and in which order, on both servers."""

from __future__ import annotations

from agents.models import Agent
from chat.rendering import render_markdown
from tenants.db import entered
from tests.chat.talk import CHAT, Talk
from tests.provider import Answer

HARD_TEXT = (
    "ä € \U0001d4b3 👩\u200d👩\u200d👧 e\u0301 \u2028line\u2029 \u0085 \u00a0"
    " \x1b[31m \t tab\r\nend \u200f rtl"
)
SPOKEN = {"reasoning", "text"}


def test_a_turn_streams_its_parts_in_order(each_talk: Talk) -> None:
    each_talk.provider.enqueue(Answer(tokens=3, stepped=True))
    with each_talk.open("What is the weather?") as stream:
        headers = stream.response.headers
        for _ in range(3):  # each travels by itself
            each_talk.provider.let_one()
            stream.until("text-delta")
        stream.rest()
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert not {"content-length", "content-encoding"} & headers.keys()
    assert stream.kinds == [
        "start",
        "start-step",
        "data-conversation",
        "text-start",
        *["text-delta"] * 3,
        "text-end",
        "finish-step",
        "finish",
    ]
    assert stream.text == "w0 w1 w2 "


def test_start_and_finish_carry_our_metadata(each_talk: Talk) -> None:
    stream = each_talk.send("What is the weather?")
    with entered(each_talk.tenant.scope):
        agent = Agent.objects.get(slug="assistant")
    start, finish = stream.parts[0], stream.parts[-1]
    question, reply = each_talk.messages(stream.conversation_id)
    assert start["messageMetadata"] == {
        "conversationId": reply["conversation_id"],
        "userMessageId": question["id"],
        "agentId": str(agent.pk),
        "model": "standin/some-model",
    }
    assert start["messageId"] == reply["id"]
    assert finish["finishReason"] == "stop"
    assert finish["messageMetadata"] == {
        "usage": {"inputTokens": 10, "outputTokens": 3, "totalTokens": 13},
        "cost": None,  # nobody knows this model's price
        "estimated": False,
        "model": "standin/some-model",
    }
    titled = next(part for part in stream.parts if part["type"] == "data-conversation")
    assert titled["transient"] is True
    assert titled["data"] == {
        "id": stream.conversation_id,
        "title": "What is the weather?",
    }


def test_only_the_first_turn_announces_a_title(talk: Talk) -> None:
    first = talk.send()
    second = talk.send("And?", conversationId=first.conversation_id)
    assert "data-conversation" in first.kinds
    assert "data-conversation" not in second.kinds


def test_reasoning_has_a_block_of_its_own(talk: Talk) -> None:
    talk.provider.enqueue(Answer(reasoning=("Let me ", "think."), pieces=("Yes.",)))
    stream = talk.send()
    kinds = [kind for kind in stream.kinds if kind.partition("-")[0] in SPOKEN]
    assert kinds[0] == "reasoning-start"
    assert kinds.index("reasoning-end") < kinds.index("text-start")
    thought = [p["delta"] for p in stream.parts if p["type"] == "reasoning-delta"]
    assert "".join(thought) == "Let me think."
    assert stream.text == "Yes."
    reply = talk.messages(stream.conversation_id)[-1]
    assert [part["type"] for part in reply["parts"]] == ["reasoning", "text"]


def test_a_reply_that_was_cut_by_its_limit_says_so(talk: Talk) -> None:
    talk.provider.enqueue(Answer(finish="length"))
    stream = talk.send()
    assert stream.parts[-1]["finishReason"] == "length"
    reply = talk.messages(stream.conversation_id)[-1]
    assert (reply["finish_reason"], reply["status"]) == ("length", "complete")


def test_every_character_arrives_as_it_was_sent(each_talk: Talk) -> None:
    pieces = tuple(HARD_TEXT)
    each_talk.provider.enqueue(Answer(pieces=pieces))
    stream = each_talk.send(HARD_TEXT)
    assert stream.text == HARD_TEXT
    question, reply = each_talk.messages(stream.conversation_id)
    assert (question["text"], reply["text"]) == (HARD_TEXT, HARD_TEXT)
    asked = each_talk.provider.requests[-1].body["messages"][-1]
    assert asked["content"] == HARD_TEXT


def test_characters_cut_between_packets_arrive_whole(talk: Talk) -> None:
    talk.provider.enqueue(Answer(text="äöü 👩‍👩‍👧 \u2028 ende", slice_bytes=7))
    assert talk.send().text == "äöü 👩‍👩‍👧 \u2028 ende"


def test_a_reply_of_100_000_characters_arrives_whole(each_talk: Talk) -> None:
    pieces = tuple(f"{number:099d} " for number in range(1_000))
    each_talk.provider.enqueue(Answer(pieces=pieces))
    stream = each_talk.send()
    assert len(stream.text) == 100_000
    assert stream.text == "".join(pieces)
    assert each_talk.messages(stream.conversation_id)[-1]["text"] == stream.text


def test_a_lone_surrogate_and_a_nul_of_the_model_do_no_harm(talk: Talk) -> None:
    talk.provider.enqueue(Answer(pieces=("a\x00b",)))
    stream = talk.send()
    assert talk.messages(stream.conversation_id)[-1]["text"] == "a\ufffdb"


def test_our_page_gets_rendered_blocks_instead_of_text(each_talk: Talk) -> None:
    text = "# Title\n\nSome *text* here.\n\n<script>alert(1)</script>\n\nEnd."
    each_talk.provider.enqueue(Answer(text=text, pace=100))
    with each_talk.open("Hi", query="?render=html") as stream:
        stream.rest()
    assert not SPOKEN & {kind.partition("-")[0] for kind in stream.kinds}
    blocks: dict[int, str] = {}
    for part in stream.parts:
        if part["type"] == "data-html":
            assert part["transient"] is True
            assert part["data"].keys() == {"block", "html"}
            blocks[part["data"]["block"]] = part["data"]["html"]
    assert "".join(blocks[number] for number in sorted(blocks)) == render_markdown(text)
    assert "<script" not in "".join(stream.frames)
    assert each_talk.messages(stream.conversation_id)[-1]["text"] == text


def test_without_a_stream_the_answer_is_one_json(each_talk: Talk) -> None:
    answer = each_talk.client.post(CHAT, json={"message": "Hello", "stream": False})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    result = answer.json()
    assert result.keys() == {"conversation", "message"}
    conversation, message = result["conversation"], result["message"]
    assert message == each_talk.messages(conversation["id"])[-1]
    assert message["text"] == "w0 w1 w2 "
    assert (message["status"], message["total_tokens"]) == ("complete", 13)
    assert conversation["message_count"] == 2
    assert conversation["total_tokens"] == 13


def test_without_a_stream_a_failure_is_a_502(talk: Talk) -> None:
    talk.provider.enqueue(Answer(status=500), Answer(status=500))  # tried twice
    answer = talk.client.post(CHAT, json={"message": "Hello", "stream": False})
    assert answer.status_code == 502
    assert answer.json()["code"] == "provider_error"
    assert answer.json()["detail"].endswith(".")
