"""Turn events as parts on the wire, for programs and for our page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from decimal import Decimal

import pytest

from chat.sse import (
    DONE,
    KEEP_ALIVE,
    OPENING,
    EventStreamResponse,
    HTMLEncoder,
    PartEncoder,
    encoded,
)
from chat.turns.codec import from_json, to_json
from chat.turns.events import (
    Aborted,
    Completed,
    Errored,
    Opened,
    Titled,
    ToolAsked,
    TurnEvent,
)
from llm.events import ReasoningDelta, TextDelta, Usage
from tests.chat.parts import Part, check_order, read_part

OPENED = Opened(
    message_id="reply-0001",
    conversation_id="chat-00001",
    user_message_id="asked-0001",
    agent_id=7,
    model="local/small",
)
COMPLETED = Completed(
    reason="stop",
    usage=Usage(prompt_tokens=12, completion_tokens=5, cached_tokens=3),
    cost=Decimal("0.0000033000"),
    model="local/small",
)


def parts_of(data: bytes) -> list[Part]:
    frames = data.decode().split("\n\n")
    assert frames.pop() == "", "the last event needs its blank line"
    return [read_part(frame.removeprefix("data: ")) for frame in frames]


def kinds(parts: list[Part]) -> list[str]:
    return [part["type"] for part in parts]


def test_a_whole_turn() -> None:
    titled = Titled("chat-00001", "A title")
    events: list[TurnEvent] = [OPENED, titled, TextDelta("Hi"), COMPLETED]
    parts = parts_of(PartEncoder().encode(events))
    check_order(parts)
    assert parts == [
        {
            "type": "start",
            "messageId": "reply-0001",
            "messageMetadata": {
                "conversationId": "chat-00001",
                "userMessageId": "asked-0001",
                "agentId": "7",
                "model": "local/small",
            },
        },
        {"type": "start-step"},
        {
            "type": "data-conversation",
            "data": {"id": "chat-00001", "title": "A title"},
            "transient": True,
        },
        {"type": "text-start", "id": "text-1"},
        {"type": "text-delta", "id": "text-1", "delta": "Hi"},
        {"type": "text-end", "id": "text-1"},
        {"type": "finish-step"},
        {
            "type": "finish",
            "finishReason": "stop",
            "messageMetadata": {
                "usage": {"inputTokens": 12, "outputTokens": 5, "totalTokens": 17},
                "cost": "0.0000033",
                "estimated": False,
                "model": "local/small",
            },
        },
    ]


ENDINGS: list[tuple[TurnEvent, Part]] = [
    (Errored("provider_error", "Sorry."), {"type": "error", "errorText": "Sorry."}),
    (Aborted("stopped"), {"type": "abort", "reason": "stopped"}),
]


@pytest.mark.parametrize(("event", "part"), ENDINGS, ids=["error", "abort"])
@pytest.mark.parametrize("said", [[], [TextDelta("x")], [ReasoningDelta("x")]], ids=len)
def test_an_early_end_closes_what_is_open(
    said: list[TurnEvent], event: TurnEvent, part: Part
) -> None:
    for encoder in (PartEncoder(), HTMLEncoder()):
        parts = parts_of(encoder.encode([OPENED, *said, event]))
        check_order(parts)
        assert parts[-1] == part


def test_when_to_ask_again_is_a_sentence_for_programs_and_a_part_for_the_page() -> None:
    event = Errored("provider_rate_limited", "Sorry.", 7)
    said = "Sorry. The provider asks to wait 7 seconds."
    parts = parts_of(PartEncoder().encode([OPENED, event]))
    assert parts[-1] == {"type": "error", "errorText": said}
    *_, told, last = parts_of(HTMLEncoder().encode([OPENED, event]))
    assert (told["type"], told["data"]) == ("data-retry", {"seconds": 7})
    assert last == {"type": "error", "errorText": "Sorry."}
    assert from_json(to_json([event])) == [event]


def test_what_is_due_together_travels_as_one_delta() -> None:
    words = [TextDelta("a"), TextDelta("b"), TextDelta("c")]
    parts = parts_of(PartEncoder().encode(words))
    assert kinds(parts) == ["text-start", "text-delta"]
    assert parts[1]["delta"] == "abc"


def test_blocks_stay_open_from_one_batch_to_the_next() -> None:
    encoder = PartEncoder()
    parts = parts_of(encoder.encode([OPENED, ReasoningDelta("hm")]))
    parts += parts_of(encoder.encode([ReasoningDelta("!")]))
    parts += parts_of(encoder.encode([TextDelta("a")]))
    parts += parts_of(encoder.encode([TextDelta("b"), ReasoningDelta("?")]))
    parts += parts_of(encoder.encode([COMPLETED]))
    check_order(parts)
    assert kinds(parts)[2:-2] == [
        "reasoning-start",
        "reasoning-delta",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
    ]


@pytest.mark.parametrize(
    "text",
    ["line\nline\r\n", "\u2028\u2029\x85", "\x00\x1f", '"}\n\ndata: [DONE]', "é👩"],
)
def test_any_text_stays_on_one_line_and_comes_back(text: str) -> None:
    data = PartEncoder().encode([TextDelta(text)])
    assert data.count(b"\n") == 4  # two events, each with its blank line
    assert parts_of(data)[-1]["delta"] == text


def test_half_a_surrogate_pair_harms_nothing_else() -> None:
    parts = parts_of(PartEncoder().encode([TextDelta("a\ud800b")]))
    assert parts[-1]["delta"] == "a?b"


def test_an_unpriced_model_has_no_cost_and_a_free_one_costs_zero() -> None:
    usage = Usage(1, 2, estimated=True)
    for cost, told in ((None, None), (Decimal(0), "0"), (Decimal("1E+1"), "10")):
        completed = Completed("other", usage, cost, "local/small")
        finish = parts_of(PartEncoder().encode([completed]))[-1]
        assert finish["messageMetadata"]["cost"] == told
        assert finish["messageMetadata"]["estimated"] is True


def test_a_call_is_shown_in_the_language_of_the_page() -> None:
    asked = ToolAsked("call-1", "clock", {})
    for language, said in (("en", "running"), ("de", "läuft")):
        parts = parts_of(HTMLEncoder(language).encode([OPENED, asked]))
        assert f">{said}<" in parts[-1]["data"]["html"]


def test_our_page_gets_blocks_in_place_of_text() -> None:
    encoder = HTMLEncoder()
    parts = parts_of(encoder.encode([OPENED, TextDelta("One *two")]))
    parts += parts_of(encoder.encode([TextDelta("*.\n\nThree")]))
    parts += parts_of(encoder.encode([COMPLETED]))
    check_order(parts)
    assert not {"text-start", "text-delta", "text-end"} & set(kinds(parts))
    shown = {p["data"]["block"]: p["data"]["html"] for p in parts if "data" in p}
    assert [shown[0].strip(), shown[1].strip()] == [
        "<p>One <em>two</em>.</p>",
        "<p>Three</p>",
    ]


def collect(source: AsyncIterator[bytes]) -> list[bytes]:
    async def run() -> list[bytes]:
        return [piece async for piece in source]

    return asyncio.run(run())


async def batches(*given: list[TurnEvent]) -> AsyncGenerator[list[TurnEvent], None]:
    for batch in given:
        yield batch


def test_a_body_opens_keeps_alive_and_says_done() -> None:
    pieces = encoded(batches([OPENED], [], [COMPLETED]), PartEncoder())
    body = collect(aiter(EventStreamResponse(pieces)))
    assert [body[0], body[2], body[-1]] == [OPENING, KEEP_ALIVE, DONE]
    assert len(body) == 5


def test_a_reader_that_leaves_closes_the_source_in_its_own_task() -> None:
    closed_in: list[object] = []

    async def source() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
        finally:
            closed_in.append(asyncio.current_task())

    async def run() -> None:
        response = EventStreamResponse(source())
        reading = aiter(response)
        assert await anext(reading) == OPENING
        assert await anext(reading) == b"x"
        await reading.aclose()  # type: ignore[attr-defined]  # as Django's handler does
        assert closed_in == [asyncio.current_task()]

    asyncio.run(run())
