"""Turn events ↔ JSON, for the log in PostgreSQL.

Each event is `[letter, …fields]`; what came together of one kind of text is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from chat.turns.events import (
    Aborted,
    ApprovalAsked,
    CallFailed,
    Completed,
    Errored,
    Opened,
    Recalled,
    StepEnded,
    Titled,
    ToolAllowed,
    ToolAnswered,
    ToolAsked,
    ToolDenied,
    ToolEvent,
    ToolFailed,
    TurnEvent,
    merged,
)
from llm.events import ReasoningDelta, TextDelta, Usage
from usage.pricing import UnitPrice

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
            amount = None if cost is None else f"{cost:f}"
            return ["c", reason, _counts(usage), amount, model]
        case Aborted(reason):
            return ["a", reason]
        case Errored(code, text, wait):
            return ["e", code, text, wait]
        case StepEnded(usage):
            return ["s", _counts(usage)]
        case CallFailed(model, usage, price, milliseconds):
            return ["x", model, _counts(usage), _prices(price), milliseconds]
        case Recalled(events):
            return ["p", to_json(events)]
        case _:
            return _encode_tool(event)


def _encode_tool(event: ToolEvent) -> list[Any]:
    match event:
        case ToolAsked(call_id, name, given):
            return ["i", call_id, name, given]
        case ApprovalAsked(call_id, approval_id):
            return ["q", call_id, approval_id]
        case ToolAllowed(call_id):
            return ["y", call_id]
        case ToolAnswered(call_id, output, ms):
            return ["u", call_id, output, ms]
        case ToolFailed(call_id, text, ms):
            return ["f", call_id, text, ms]
        case ToolDenied(call_id):
            return ["d", call_id]


def _prices(price: UnitPrice | None) -> list[str] | None:
    if price is None:
        return None
    each = (price.input, price.cached_input, price.output, price.reasoning)
    return [f"{one:f}" for one in each]


def _counts(usage: Usage) -> list[int | bool]:
    return [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        usage.estimated,
    ]


_TOOLS: Final[dict[str, type[ToolEvent]]] = {
    "i": ToolAsked,
    "q": ApprovalAsked,
    "y": ToolAllowed,
    "u": ToolAnswered,
    "f": ToolFailed,
    "d": ToolDenied,
}


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
        case "s":
            return StepEnded(Usage(*fields[0]))
        case "x":
            model, counts, prices, milliseconds = fields
            price = None if prices is None else UnitPrice(*map(Decimal, prices))
            return CallFailed(model, Usage(*counts), price, milliseconds)
        case "p":
            return Recalled(tuple(from_json(fields[0])))
        case _ if letter in _TOOLS:
            return _TOOLS[letter](*fields)
    raise ValueError(f"unknown event {letter!r} in a turn's log")
