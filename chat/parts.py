"""A reply's parts, as they are stored and as the AI SDK knows them, from and to events.

{"type": "text" | "reasoning", "text"}
{"type": "tool-<name>", "toolCallId", "state", "input", "output" | "errorText",
 "durationMs" where the call was made}
{"type": "step-start"}   where the model was asked again with its tools' results
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from chat.turns.codec import storable
from chat.turns.events import (
    ApprovalAsked,
    Recalled,
    StepEnded,
    ToolAllowed,
    ToolAnswered,
    ToolAsked,
    ToolDenied,
    ToolEvent,
    ToolFailed,
    TurnEvent,
    merged,
)
from llm.events import ReasoningDelta, TextDelta, ToolCalled, Usage
from llm.prompt import Message, asked_tools, tool_result

Part = dict[str, Any]

STEP: Final = "step-start"
# States in which a call has no result yet.
ASKED, WAITING, ALLOWED = "input-available", "approval-requested", "approval-responded"
UNFINISHED: Final = "The answer ended before this tool did."
# What the model is told in place of a result.
DENIED: Final = "The person has not allowed this call. Do not repeat it unasked."
_NOT_ANSWERED: Final = "The person has not said whether this call is allowed."


def is_tool(part: Mapping[str, Any]) -> bool:
    return str(part.get("type", "")).startswith("tool-")


def tool_name(part: Mapping[str, Any]) -> str:
    return str(part["type"]).removeprefix("tool-")


def expanded(events: Iterable[TurnEvent]) -> Iterator[TurnEvent]:
    """With what was recalled in its place."""
    for event in events:
        if isinstance(event, Recalled):
            yield from event.events
        else:
            yield event


def parts_of(events: Iterable[TurnEvent]) -> list[Part]:
    """The parts of a reply whose turn is over: a call without a result has failed."""
    parts: list[Part] = []
    calls: dict[str, Part] = {}
    for event in merged(expanded(events)):
        match event:
            case TextDelta(text):
                parts.append({"type": "text", "text": storable(text)})
            case ReasoningDelta(text):
                parts.append({"type": "reasoning", "text": storable(text)})
            case StepEnded():
                parts.append({"type": STEP})
            case ToolAsked(call_id):
                calls[call_id] = asked_part(event)
                parts.append(calls[call_id])
            case _ if isinstance(event, ToolEvent):
                change_part(calls[event.call_id], event)
    for part in calls.values():
        if part["state"] in {ASKED, ALLOWED}:
            _settle(part, "output-error", errorText=UNFINISHED)
    if parts and parts[-1]["type"] == STEP:
        parts.pop()
    return parts


def decided_parts(parts: Sequence[Part], stored: Sequence[Part]) -> list[Part]:
    """`parts` of a turn whose process died, where a person's decision reached the
    `stored` ones and not its log: what was allowed may have been done, and is not
    offered again."""
    decided = {part["toolCallId"]: part for part in stored if is_tool(part)}
    return [_decided(part, decided.get(part.get("toolCallId", ""))) for part in parts]


def _decided(part: Part, stored: Part | None) -> Part:
    if stored is None or part.get("state") != WAITING or stored["state"] == WAITING:
        return part
    part = {**part, "state": stored["state"], "approval": stored["approval"]}
    if part["state"] == ALLOWED:
        _settle(part, "output-error", errorText=UNFINISHED)
    return part


def asked_part(event: ToolAsked) -> Part:
    return {
        "type": f"tool-{event.name}",
        "toolCallId": event.call_id,
        "state": ASKED,
        "input": event.input,
    }


def change_part(part: Part, event: ToolEvent) -> None:
    """What becomes of a call; its own beginning changes nothing."""
    match event:
        case ApprovalAsked(_, approval_id):
            part |= {"state": WAITING, "approval": {"id": approval_id}}
        case ToolAllowed():
            part |= {
                "state": ALLOWED,
                "approval": {**part["approval"], "approved": True},
            }
        case ToolAnswered(_, output, ms):
            _settle(part, "output-available", output=output, **_timed(ms))
        case ToolFailed(_, text, ms):
            _settle(part, "output-error", errorText=text, **_timed(ms))
        case ToolDenied():
            _settle(part, "output-denied")
            part["approval"] = {**part.get("approval", {}), "approved": False}


def events_of(parts: Iterable[Part]) -> list[TurnEvent]:
    """The events that make these parts."""
    events: list[TurnEvent] = []
    for part in parts:
        match part["type"]:
            case "text":
                events.append(TextDelta(part["text"]))
            case "reasoning":
                events.append(ReasoningDelta(part["text"]))
            case kind if kind == STEP:
                events.append(StepEnded(Usage(0, 0)))
            case _ if is_tool(part):
                events += _tool_events(part)
    return events


def messages_of(parts: Iterable[Part]) -> list[Message]:
    """A reply as its model wrote it, and what its tools said; without its reasoning."""
    return _messages(parts, provider="", waiting=False)


def messages_so_far(parts: Iterable[Part], *, provider: str) -> list[Message]:
    """Of a reply that goes on: the calls that wait for a person have no result yet, and
    `provider` sees again of its reasoning what it needs."""
    return _messages(parts, provider=provider, waiting=True)


def _messages(parts: Iterable[Part], *, provider: str, waiting: bool) -> list[Message]:
    messages: list[Message] = []
    for step in _steps(parts):
        text = _text(step, "text")
        called = [part for part in step if is_tool(part)]
        if called:
            calls = [_call(part) for part in called]
            thought = _text(step, "reasoning")
            messages.append(
                asked_tools(text, calls, provider=provider, reasoning=thought)
            )
            messages += [
                tool_result(part["toolCallId"], _result(part))
                for part in called
                if not (waiting and part["state"] == WAITING)
            ]
        elif text:
            messages.append({"role": "assistant", "content": text})
    return messages


def _text(parts: Iterable[Part], kind: str) -> str:
    return "".join(part["text"] for part in parts if part["type"] == kind)


def as_json(given: Any) -> str:
    """The input of a call as its model wrote it."""
    return given if isinstance(given, str) else orjson.dumps(given).decode()


def _timed(ms: int | None) -> dict[str, int]:
    return {} if ms is None else {"durationMs": ms}


def _settle(part: Part, state: str, **more: str | int) -> None:
    part |= {"state": state, **more}
    if approval := part.get("approval"):
        part["approval"] = {**approval, "approved": state != "output-denied"}


def _tool_events(part: Part) -> Iterator[TurnEvent]:
    call_id = part["toolCallId"]
    yield ToolAsked(call_id, tool_name(part), part["input"])
    if approval := part.get("approval"):
        yield ApprovalAsked(call_id, approval["id"])
    match part["state"]:
        case state if state == ALLOWED:
            yield ToolAllowed(call_id)
        case "output-available":
            yield ToolAnswered(call_id, part["output"], part.get("durationMs"))
        case "output-error":
            yield ToolFailed(call_id, part["errorText"], part.get("durationMs"))
        case "output-denied":
            yield ToolDenied(call_id)


def _steps(parts: Iterable[Part]) -> list[list[Part]]:
    steps: list[list[Part]] = [[]]
    for part in parts:
        if part["type"] == STEP:
            steps.append([])
        else:
            steps[-1].append(part)
    return steps


def _call(part: Part) -> ToolCalled:
    # A provider refuses arguments that are no JSON object.
    given = part["input"] if isinstance(part["input"], dict) else {}
    return ToolCalled(part["toolCallId"], tool_name(part), as_json(given))


def _result(part: Part) -> str:
    match part["state"]:
        case "output-available":
            return str(part["output"])
        case "output-denied":
            return DENIED
        case "output-error":
            return told_error(part["errorText"])
        case _:
            return _NOT_ANSWERED


def told_error(text: str) -> str:
    """What the model is told of a tool that failed."""
    return f"Error: {text}"


def waiting_calls(parts: Sequence[Part]) -> dict[str, ToolCalled]:
    """The calls that wait for a person, by the ids of what they are asked."""
    return {
        part["approval"]["id"]: _call(part)
        for part in parts
        if is_tool(part) and part["state"] == WAITING
    }
