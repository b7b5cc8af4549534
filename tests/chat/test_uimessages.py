"""Stored messages as an AI SDK client keeps them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chat.models import Message
from chat.uimessages import ui_messages


def reply(**fields: Any) -> Message:
    return Message(pk="reply-0001", role="assistant", **fields)


def test_a_user_message_is_as_it_was_sent() -> None:
    parts = [{"type": "text", "text": "Hi"}]
    message = Message(pk="asked-0001", role="user", parts=parts)
    expected = {"id": "asked-0001", "role": "user", "parts": parts}
    assert ui_messages([message]) == [expected]


def test_how_long_a_call_took_stands_where_the_sdk_has_a_place_for_it() -> None:
    called = {"type": "tool-calculator", "toolCallId": "c", "state": "output-available"}
    shown = ui_messages([reply(parts=[{**called, "durationMs": 7}])])[0]["parts"][1]
    assert shown == {**called, "callProviderMetadata": {"parley": {"durationMs": 7}}}


def test_a_reply_has_its_step_its_parts_and_its_metadata() -> None:
    message = reply(
        parts=[{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Yes."}],
        model="local/small",
        prompt_tokens=3,
        completion_tokens=2,
        total_tokens=5,
        cost=Decimal("0.0000033000"),
        estimated=True,
    )
    assert ui_messages([message]) == [
        {
            "id": "reply-0001",
            "role": "assistant",
            "parts": [
                {"type": "step-start"},
                {
                    "type": "reasoning",
                    "id": "reasoning-1",
                    "text": "Hm.",
                    "state": "done",
                },
                {"type": "text", "text": "Yes.", "state": "done"},
            ],
            "metadata": {
                "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
                "cost": "0.0000033",
                "estimated": True,
                "model": "local/small",
                "status": "complete",
            },
        }
    ]


@pytest.mark.parametrize("status", ["pending", "streaming"])
def test_a_reply_that_is_being_written_is_left_to_the_stream(status: str) -> None:
    assert ui_messages([reply(status=status)]) == []


@pytest.mark.parametrize("status", ["stopped", "failed", "interrupted"])
def test_a_reply_that_ended_early_is_shown_with_its_status(status: str) -> None:
    (shown,) = ui_messages([reply(status=status)])
    assert shown["metadata"]["status"] == status
    assert shown["metadata"]["cost"] is None
    assert shown["parts"] == [{"type": "step-start"}]
