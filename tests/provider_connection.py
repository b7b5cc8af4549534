"""One client's connection to the stand-in provider (tests/provider.py)."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.provider_answers import (
    SECRET_MARKER,
    Answer,
    call_events,
    delta_event,
    error_body,
    frame,
    http_chunk,
    sse_event,
    usage_field,
    whole,
)

if TYPE_CHECKING:
    from tests.provider import Provider


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names in lower case, `at` monotonic."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    at: float


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection the client closed while we were answering; `at` is monotonic."""

    at: float
    pieces_sent: int


class Connection(asyncio.Protocol):
    """One client connection; answers its requests one after the other."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._buffer = b""
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._provider._connections.add(transport)
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        self._provider._connections.discard(self._transport)
        if self._task is not None:
            self._task.cancel()
            self._provider._note_closed(Closed(time.monotonic(), self._sent))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._next_request()

    def _next_request(self) -> None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        size = int(headers.get("content-length", 0))
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        method, path, _ = first.split(" ", 2)
        try:
            body = json.loads(rest[:size]) if size else None
        except ValueError:
            body = None
        request = Request(method, path, headers, body, time.monotonic())
        self._sent = 0
        self._task = asyncio.get_running_loop().create_task(self._serve(request))

    async def _serve(self, request: Request) -> None:
        self._provider._note_request(request)
        path = request.path.partition("?")[0].removeprefix("/v1")
        if path == "/chat/completions" and isinstance(request.body, dict):
            answer = self._provider._take(request.body)
            with self._provider._counting():
                await self._complete(answer, request)
        elif path in self._provider._held:
            await asyncio.sleep(3600)
        elif path == "/models":
            names = ("mock-200x50ms-0ms", "mock-2000x0ms-0ms")
            rows = [{"id": n, "object": "model", "owned_by": "mock"} for n in names]
            self._reply(200, {"object": "list", "data": rows})
        elif path == "/stats":
            self._reply(200, self._provider.stats())
        else:
            self._reply(404, {"error": {"message": SECRET_MARKER}})
        self._task = None
        if not self._transport.is_closing() and self._buffer:
            self._next_request()

    def _reply(self, status: int, payload: object, extra: str = "") -> None:
        body = json.dumps(payload).encode()
        head = (
            f"HTTP/1.1 {status} Stand-in\r\nContent-Type: application/json\r\n"
            f"{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)

    async def _complete(self, answer: Answer, request: Request) -> None:
        if answer.headers_after:
            await asyncio.sleep(answer.headers_after)
        if answer.status != 200:
            wait = answer.retry_after
            extra = f"Retry-After: {wait}\r\n" if wait else ""
            key = request.headers.get("authorization", "")
            self._reply(answer.status, error_body(answer, key), extra)
        elif request.body.get("stream"):
            await self._stream(answer, request.body)
        else:
            content = answer.content(request.body)
            if answer.pace:
                await asyncio.sleep(answer.first_after + len(content) / answer.pace)
            self._reply(200, whole(answer, str(request.body.get("model")), content))

    async def _stream(self, answer: Answer, body: Mapping[str, Any]) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        model = str(body.get("model"))
        pings = None
        if answer.pings_every:
            pings = asyncio.create_task(self._ping(answer.pings_every))
        try:
            await self._send(answer, sse_event(frame(model, {"role": "assistant"})))
            if await self._pieces(answer, model, body):
                await self._finish(answer, model, body)
        finally:
            if pings is not None:
                pings.cancel()

    async def _ping(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            self._transport.write(http_chunk(b": ping\n\n"))

    async def _pieces(
        self, answer: Answer, model: str, body: Mapping[str, Any]
    ) -> bool:
        """Send the content at its pace; False when a fault ended the stream."""
        events = [delta_event(model, "reasoning_content", r) for r in answer.reasoning]
        events += [
            delta_event(model, "content", piece) for piece in answer.content(body)
        ]
        events += call_events(model, answer.calls)
        loop = asyncio.get_running_loop()
        start = loop.time() + answer.first_after
        for number, event in enumerate(events):
            if answer.fault and number == answer.fault_after:
                break
            due = start + number / answer.pace if answer.pace else start
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            if answer.stepped:
                await self._provider._steps.acquire()
            if number == answer.held_after:
                await self._provider._gate.wait()
                start = loop.time() - number / (answer.pace or math.inf)
            await self._send(answer, event)
            self._sent += 1
            self._provider.chunks_sent += 1
        return answer.fault is None or await self._strike(answer)

    async def _send(self, answer: Answer, data: bytes) -> None:
        await self._writable.wait()
        size = answer.slice_bytes
        if not size:
            self._transport.write(http_chunk(data))
            return
        for at in range(0, len(data), size):
            self._transport.write(http_chunk(data[at : at + size]))
            await asyncio.sleep(0.001)

    async def _strike(self, answer: Answer) -> bool:
        match answer.fault:
            case "error":
                await self._send(answer, sse_event(error_body(answer, "")))
                self._transport.write(b"0\r\n\r\n")
            case "garbage":
                await self._send(answer, b"data: {" + SECRET_MARKER.encode() + b"\n\n")
                self._transport.write(b"0\r\n\r\n")
            case "close":
                self._transport.write(b"0\r\n\r\n")
            case "stall":
                await asyncio.sleep(3600)
            case _:
                await asyncio.sleep(0.05)  # a reset would destroy what is unread
                self._task = None  # our own doing: not a close by the client
                if answer.fault == "reset":
                    raw = self._transport.get_extra_info("socket")
                    linger = struct.pack("ii", 1, 0)
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.close()
        return False

    async def _finish(
        self, answer: Answer, model: str, body: Mapping[str, Any]
    ) -> None:
        wanted = bool((body.get("stream_options") or {}).get("include_usage"))
        usage = usage_field(answer, self._sent) if wanted else {}
        last = frame(model, {}, answer.ending())
        if usage and answer.usage_with_finish:
            await self._send(answer, sse_event(last | usage))
        else:
            await self._send(answer, sse_event(last))
            if usage:
                await self._send(answer, sse_event({**last, "choices": [], **usage}))
        if answer.hold_open:
            await asyncio.sleep(answer.hold_open)
        await self._send(answer, b"data: [DONE]\n\n")
        self._transport.write(b"0\r\n\r\n")
