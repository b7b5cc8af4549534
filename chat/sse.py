"""Turn events → the UI message stream of the AI SDK, as bytes; and the response that
carries it. Decides nothing about turns.

The client refuses unknown part types, null for absent keys and extra keys, so each
part below is written out exactly.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    Sequence,
)
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import replace
from typing import Any, Protocol

import orjson
from django.http import StreamingHttpResponse
from django.utils import translation

from chat import metrics
from chat.parts import Part, asked_part, change_part
from chat.rendering import BlockRenderer
from chat.toolview import render_tool
from chat.turns.events import (
    Aborted,
    ApprovalAsked,
    Completed,
    Errored,
    Opened,
    Recalled,
    StepEnded,
    Titled,
    ToolAnswered,
    ToolAsked,
    ToolDenied,
    ToolEvent,
    ToolFailed,
    TurnEvent,
    merged,
)
from chat.turns.log import Stream
from llm.events import ReasoningDelta, TextDelta
from usage.pricing import cost_text

OPENING = b": stream-open\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
REVOKED = b'data: {"type":"error","errorText":"You may no longer read this here."}\n\n'
_TEXT_DELTA = b'data: {"type":"text-delta","id":"text-1","delta":%s}\n\n'


class EventStreamResponse(StreamingHttpResponse):
    """Pieces of an event stream, an empty one for a sign of life; `[DONE]` at the end.

    Closes its source in the right task. When a client leaves while the server is inside
    send(), Django's own class drops the generator, and its `finally` runs late and
    elsewhere.
    """

    def __init__(
        self,
        source: Stream[bytes],
        listening: Callable[
            [Callable[[], None]], AbstractContextManager[None]
        ] = lambda leave: nullcontext(),
    ) -> None:
        """`listening` surrounds the reading; it is given what breaks the stream off."""
        super().__init__(
            source,
            content_type="text/event-stream",
            headers={
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
                "X-Vercel-AI-UI-Message-Stream": "v1",
            },
        )
        self._source = source
        self._listening = listening
        self._revoked = False

    def _revoke(self) -> None:
        """At its next piece, which a keep-alive is too."""
        self._revoked = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with metrics.READERS.track_inprogress(), self._listening(self._revoke):
            yield OPENING
            async with aclosing(self._source) as source:
                async for piece in source:
                    if self._revoked:
                        yield REVOKED + DONE
                        return
                    yield piece or KEEP_ALIVE
            yield DONE


class Encoder(Protocol):
    """Keeps what is open in one reader's stream."""

    def encode(self, events: Sequence[TurnEvent]) -> bytes: ...


async def encoded(
    batches: Stream[list[TurnEvent]], encoder: Encoder
) -> AsyncGenerator[bytes, None]:
    """Every batch as one piece, an empty one as an empty piece."""
    async with aclosing(batches) as source:
        async for batch in source:
            yield encoder.encode(batch) if batch else b""


async def paced(
    batches: Stream[list[TurnEvent]], seconds: float
) -> AsyncGenerator[list[TurnEvent], None]:
    """The first batch at once, the next ones that far apart and as much larger: nobody
    sees a page change more often, and each change costs both sides."""
    async with aclosing(batches) as source:
        async for batch in source:
            yield batch
            await asyncio.sleep(seconds)


class PartEncoder:
    """Plain parts, for programs: text and reasoning as deltas.

    Without `recalls` for a client that goes on with a message it has: what the message
    held before would come into it twice.
    """

    def __init__(self, *, recalls: bool = True) -> None:
        self._open = ""
        self._recalls = recalls

    def encode(self, events: Sequence[TurnEvent]) -> bytes:
        first = events[0]
        # Nearly always: the shortest way for it.
        if len(events) == 1 and isinstance(first, TextDelta) and self._open == "text":
            return _TEXT_DELTA % _json(first.text)
        parts = (
            part
            for event in merged(self._expanded(events))
            for part in self._parts(event)
        )
        return b"".join(map(_frame, parts))

    def _expanded(self, events: Sequence[TurnEvent]) -> Iterator[TurnEvent]:
        for event in events:
            if isinstance(event, Recalled):
                yield from event.events if self._recalls else ()
            else:
                yield event

    def _parts(self, event: TurnEvent) -> Iterator[dict[str, Any]]:
        match event:
            case StepEnded():
                yield from self._close()
                yield {"type": "finish-step"}
                yield {"type": "start-step"}
            case Opened():
                yield from _opening(event)
            case Titled():
                yield _title(event)
            case TextDelta():
                yield from self._delta("text", event.text)
            case ReasoningDelta():
                yield from self._delta("reasoning", event.text)
            case Completed() | Aborted() | Errored():
                yield from self._close()
                yield from _ending(event)
            case _ if isinstance(event, ToolEvent):
                yield from self._close()
                yield from _tool(event)

    def _delta(self, kind: str, text: str) -> Iterator[dict[str, Any]]:
        if self._open != kind:
            yield from self._close()
            self._open = kind
            yield {"type": f"{kind}-start", "id": f"{kind}-1"}
        yield {"type": f"{kind}-delta", "id": f"{kind}-1", "delta": text}

    def _close(self) -> Iterator[dict[str, Any]]:
        if self._open:
            yield {"type": f"{self._open}-end", "id": f"{self._open}-1"}
            self._open = ""


class HTMLEncoder(PartEncoder):
    """For our page, in its language: the reply as rendered blocks instead of text
    deltas."""

    def __init__(self, language: str = "en") -> None:
        super().__init__()
        self._language = language
        self._renderer = BlockRenderer()
        self._first = 0  # number of the renderer's first block
        self._calls: dict[str, tuple[int, Part]] = {}

    def encode(self, events: Sequence[TurnEvent]) -> bytes:
        frames: list[bytes] = []
        for event in merged(self._expanded(events)):
            if isinstance(event, TextDelta):
                self._renderer.feed(event.text)
                frames.extend(map(_frame, self._blocks(self._renderer.flush())))
            elif isinstance(event, ToolEvent):
                frames.extend(map(_frame, self._call(event)))
            else:
                if isinstance(event, Completed | Aborted | Errored):
                    frames.extend(map(_frame, self._blocks(self._renderer.close())))
                if isinstance(event, Errored) and event.wait:
                    frames.append(_frame(_retry(event.wait)))
                frames.extend(_frame(part) for part in self._parts(self._said(event)))
        return b"".join(frames)

    def _said(self, event: TurnEvent) -> TurnEvent:
        """In the page's language."""
        if not isinstance(event, Errored) or not event.text:
            return event
        with translation.override(self._language):
            # When to try again the page hears by a part of its own.
            return replace(event, text=translation.gettext(event.text), wait=None)

    def _blocks(self, changed: list[tuple[int, str]]) -> Iterator[dict[str, Any]]:
        yield from self._close()
        for number, html in changed:
            yield _block(self._first + number, html)

    def _call(self, event: ToolEvent) -> Iterator[dict[str, Any]]:
        """A call is a block between those of the text, rendered anew at each change."""
        if isinstance(event, ToolAsked):
            yield from self._blocks(self._renderer.close())
            number = self._first + self._renderer.count
            self._renderer, self._first = BlockRenderer(), number + 1
            self._calls[event.call_id] = (number, asked_part(event))
        number, part = self._calls[event.call_id]
        change_part(part, event)
        with translation.override(self._language):
            html = render_tool(part)
        yield _block(number, html)


def _retry(seconds: int) -> dict[str, Any]:
    return {"type": "data-retry", "data": {"seconds": seconds}, "transient": True}


def _block(number: int, html: str) -> dict[str, Any]:
    return {
        "type": "data-html",
        "data": {"block": number, "html": html},
        "transient": True,
    }


def _tool(event: ToolEvent) -> Iterator[dict[str, Any]]:
    call: dict[str, Any] = {"toolCallId": event.call_id}
    match event:
        case ToolAsked(_, name, given):
            yield {"type": "tool-input-start", **call, "toolName": name}
            known = {**call, "toolName": name, "input": given}
            yield {"type": "tool-input-available", **known}
        case ApprovalAsked(_, approval_id):
            yield {"type": "tool-approval-request", "approvalId": approval_id, **call}
        case ToolAnswered(_, output, _):
            yield {"type": "tool-output-available", **call, "output": output}
        case ToolFailed(_, text, _):
            yield {"type": "tool-output-error", **call, "errorText": text}
        case ToolDenied():
            yield {"type": "tool-output-denied", **call}


def _opening(event: Opened) -> Iterator[dict[str, Any]]:
    yield {
        "type": "start",
        "messageId": event.message_id,
        "messageMetadata": {
            "conversationId": event.conversation_id,
            "userMessageId": event.user_message_id,
            "agentId": str(event.agent_id),
            "model": event.model,
        },
    }
    yield {"type": "start-step"}


def _title(event: Titled) -> dict[str, Any]:
    return {
        "type": "data-conversation",
        "data": {"id": event.conversation_id, "title": event.title},
        "transient": True,
    }


def _ending(event: Completed | Aborted | Errored) -> Iterator[dict[str, Any]]:
    match event:
        case Completed():
            yield {"type": "finish-step"}
            yield {
                "type": "finish",
                "finishReason": event.reason,
                "messageMetadata": {
                    "usage": {
                        "inputTokens": event.usage.prompt_tokens,
                        "outputTokens": event.usage.completion_tokens,
                        "totalTokens": event.usage.total_tokens,
                    },
                    "cost": cost_text(event.cost),
                    "estimated": event.usage.estimated,
                    # The one that answered; `start` named the one that was asked.
                    "model": event.model,
                },
            }
        case Aborted():
            yield {"type": "abort", "reason": event.reason}
        case Errored():
            asks = f" The provider asks to wait {event.wait} seconds."
            yield {"type": "error", "errorText": event.text + asks * bool(event.wait)}


def _frame(part: dict[str, Any]) -> bytes:
    return b"data: " + _json(part) + b"\n\n"


def _json(value: object) -> bytes:
    """One line of UTF-8."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # A provider may send half a surrogate pair; UTF-8 has no bytes for it.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")
