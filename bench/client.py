"""A load client that stays cheap: it notes when bytes arrive and parses them only when
all streams are over."""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, cast

import uvloop

from bench.words import tokens_of

Delta = Callable[[dict[str, Any]], str | None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where streams are asked for; `delta` finds the text in one part of an answer."""

    port: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    delta: Delta

    def request(self, number: int) -> bytes:
        body = json.dumps(self.body).replace("@", str(number)).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Host": "127.0.0.1",
            **self.headers,
        }
        lines = [f"POST {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "\r\n"]).encode() + body


def openai_delta(part: dict[str, Any]) -> str | None:
    choices = part.get("choices")
    return choices[0]["delta"].get("content") if choices else None


def ui_delta(part: dict[str, Any]) -> str | None:
    return part["delta"] if part.get("type") == "text-delta" else None


@dataclass(slots=True)
class Load:
    """What one run saw; times in seconds. `first` is since the request, `tail` from the
    last text to the end of the answer. `together` is when all streams had begun and
    none had come to its last text, on the clock of `time.perf_counter`."""

    whole: int = 0
    tokens: int = 0
    seconds: float = 0.0
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    tail: list[float] = field(default_factory=list)
    together: tuple[float, float] = (0.0, 0.0)
    tokens_together: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One stream: when it was asked for, (arrival, text) of each piece, when its last
    byte came, and whether the answer came to its end."""

    began: float
    texts: list[tuple[float, str]]
    last: float
    ended: bool

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.texts)


class _Stream(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self.reads: list[tuple[float, bytes]] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.reads.append((time.perf_counter(), data))
        # The end of a chunked body; a text that looks like it is never sent here.
        if data.endswith(b"0\r\n\r\n") and (len(data) < 8 or data[-7:-5] == b"\r\n"):
            self.ended = True
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


def run(
    target: Target, *, streams: int, ramp: float, tokens: int, limit: float = 180
) -> Load:
    """So many streams, begun evenly within `ramp` seconds, each on a connection of its
    own, of `tokens` tokens each; a stream has `limit` seconds."""
    before = time.perf_counter()
    everything = uvloop.run(streamed(target, streams, ramp, limit))
    load = Load(seconds=time.perf_counter() - before)
    expected = "".join(tokens_of(tokens))
    for seen in everything:
        load.tokens += seen.text.count(" ")
        load.whole += seen.ended and seen.text == expected
        times = [at for at, _ in seen.texts]
        if times:
            load.first.append(times[0] - seen.began)
            load.gaps += [after - at for at, after in pairwise(times)]
            load.tail.append(seen.last - times[-1])
    begun = [seen.texts for seen in everything if seen.texts]
    if begun:
        from_, to = max(t[0][0] for t in begun), min(t[-1][0] for t in begun)
        load.together = from_, to
        load.tokens_together = sum(
            text.count(" ") for texts in begun for at, text in texts if from_ <= at < to
        )
    return load


async def streamed(
    target: Target, streams: int, ramp: float, limit: float
) -> list[Seen]:
    """What each stream saw, parsed when all are over."""
    loop = asyncio.get_running_loop()

    async def one(number: int) -> tuple[float, _Stream]:
        await asyncio.sleep(ramp * number / streams)
        stream = _Stream(target.request(number))
        began = time.perf_counter()
        try:
            async with asyncio.timeout(limit):
                await loop.create_connection(lambda: stream, "127.0.0.1", target.port)
                await stream.over
        except (TimeoutError, OSError):
            stream.ended = False
        return began, stream

    seen = await asyncio.gather(*(one(number) for number in range(streams)))
    return [
        Seen(
            began,
            list(_texts(stream, target.delta)),
            stream.reads[-1][0] if stream.reads else began,
            stream.ended,
        )
        for began, stream in seen
    ]


def _texts(stream: _Stream, delta: Delta) -> Iterator[tuple[float, str]]:
    """(arrival, text) of every event; several events of one read arrive together."""
    held = b""
    for at, data in _chunks(stream.reads):
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                text = delta(json.loads(line[6:]))
                if text:
                    yield at, text


def _chunks(reads: list[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """(arrival, data) of each chunk of the body that came to its end."""
    received = b"".join(data for _, data in reads)
    ends = list(accumulate(len(data) for _, data in reads))
    position = received.find(b"\r\n\r\n") + 4
    while (line := received.find(b"\r\n", position)) > 0:
        try:
            size = int(received[position:line], 16)
        except ValueError:  # no chunked body: an error's
            return
        end = line + 2 + size
        if not size or end > len(received):
            return
        yield reads[bisect_left(ends, end)][0], received[line + 2 : end]
        position = end + 2
