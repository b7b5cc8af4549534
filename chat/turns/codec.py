"""Turn events ↔ JSON, for the log in PostgreSQL.

Each event is `[letter, …fields]`; what came together of one kind of text is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from chat.turns.events import (
    Aborted,
    Completed,
    Errored,
    Opened,
    Titled,
    TurnEvent,
    merged,
)
from llm.events import ReasoningDelta, TextDelta, Usage

ENDINGS: Final = (Completed, Aborted, Errored)


def storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor lone surrogates; a model may send both."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode()


def to_json(events: Iterable[TurnEvent]) -> list[list[Any]]:
    return [_encode(event) for event in merged(events)]


def from_json(rows: Iterable[list[Any]]) -> list[TurnEvent]:
    return [_decode(row) for row in rows]


def _encode(event: TurnEvent) -> list[Any]:
    match event:
        case TextDelta(text):
            return ["t", storable(text)]
        case ReasoningDelta(text):
            return ["r", storable(text)]
        case Opened():
            return [
                "o",
                event.message_id,
                event.conversation_id,
                event.user_message_id,
                event.agent_id,
                event.model,
            ]
        case Titled():
            return ["n", event.conversation_id, event.title]
        case Completed(reason, usage, cost, model):
            counts = [
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.cached_tokens,
                usage.reasoning_tokens,
                usage.estimated,
            ]
            return ["c", reason, counts, None if cost is None else f"{cost:f}", model]
        case Aborted(reason):
            return ["a", reason]
        case Errored(code, text):
            return ["e", code, text]


def _decode(row: list[Any]) -> TurnEvent:
    letter, *fields = row
    match letter:
        case "t":
            return TextDelta(*fields)
        case "r":
            return ReasoningDelta(*fields)
        case "o":
            return Opened(*fields)
        case "n":
            return Titled(*fields)
        case "c":
            reason, counts, cost, model = fields
            return Completed(
                reason, Usage(*counts), None if cost is None else Decimal(cost), model
            )
        case "a":
            return Aborted(*fields)
        case "e":
            return Errored(*fields)
    raise ValueError(f"unknown event {letter!r} in a turn's log")
