"""A provider stand-in that costs little: OpenAI's stream, encoded once for each model.

A model's name says what is sent: `bench-<tokens>x<ms>` is that many tokens (of
bench.words), one every so many milliseconds; 0 means as fast as they are taken. Paced
by the clock, without drift: what a stall held back is sent together. With `-together`
behind it the last token waits until all other streams have come as far.

`python -m bench.provider --port N` serves until it is terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from functools import lru_cache
from typing import cast

import uvloop

from bench.words import tokens_of

_NAME = re.compile(r"bench-(\d+)x(\d+)(-together)?$")
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
# Frames a write where there is no pace.
_BURST = 8


class Script:
    """What a model sends."""

    def __init__(self, tokens: int, milliseconds: int, *, together: bool) -> None:
        self.gap = milliseconds / 1000
        self.together = together
        # Streams that are being sent, and those of them that wait for the others.
        self.running = 0
        self.waiting: list[Connection] = []
        base = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1}

        def frame(delta: dict[str, str], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return _sse({**base, "model": "bench", "choices": [choice]})

        usage = {"prompt_tokens": 10, "completion_tokens": tokens}
        usage["total_tokens"] = tokens + 10
        frames = [frame({"content": token}) for token in tokens_of(tokens)]
        self.frames = frames
        if not self.gap:
            starts = range(0, tokens, _BURST)
            self.frames = [b"".join(frames[n : n + _BURST]) for n in starts]
        self.begin = _HEAD + frame({"role": "assistant", "content": ""})
        self.end = (
            frame({}, "stop")
            + _sse({**base, "model": "bench", "choices": [], "usage": usage})
            + _chunk(b"data: [DONE]\n\n")
            + b"0\r\n\r\n"
        )

    def wait(self, connection: Connection) -> None:
        """Its last token is due."""
        if connection not in self.waiting:
            self.waiting.append(connection)
        self._let_go()

    def leave(self, connection: Connection) -> None:
        """It has sent everything, or is lost."""
        self.running -= 1
        if connection in self.waiting:
            self.waiting.remove(connection)
        self._let_go()

    def _let_go(self) -> None:
        if self.waiting and len(self.waiting) == self.running:
            everybody, self.waiting = self.waiting, []
            for connection in everybody:
                connection.finish(self)


@lru_cache
def script_of(model: str) -> Script:
    found = _NAME.search(model)
    if not found:
        return Script(1, 0, together=False)
    return Script(int(found[1]), int(found[2]), together=bool(found[3]))


def _sse(payload: object) -> bytes:
    return _chunk(b"data: " + json.dumps(payload).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Connection(asyncio.Protocol):
    """One connection; requests come one after another."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._script: Script | None = None
        self._timer: asyncio.Handle | None = None
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if script := self._script:
            self._script = None
            script.leave(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._script:
            self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._script is None:
            self._answer()

    def _answer(self) -> None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        if not found or len(rest) < size:
            return
        self._received = rest[size:]
        self._script = script_of(json.loads(rest[:size])["model"])
        self._script.running += 1
        self._next = 0
        self._begun = self._loop.time()
        self._transport.write(self._script.begin)
        self._send()

    def _send(self) -> None:
        script, self._timer = self._script, None
        if script is None or self._full:
            return
        frames = script.frames
        most = len(frames) - script.together
        due = min(self._next + 1, most)
        if script.gap:
            passed = self._loop.time() - self._begun
            due = min(most, int(passed / script.gap + 1e-6) + 1)
        self._transport.write(b"".join(frames[self._next : due]))
        self._next = due
        if due < most:
            self._send_later(script)
        elif script.together:
            script.wait(self)
        else:
            self.finish(script)

    def finish(self, script: Script) -> None:
        """Send what is left of it."""
        self._script = None
        self._transport.write(b"".join(script.frames[self._next :]) + script.end)
        script.leave(self)
        self._answer()

    def _send_later(self, script: Script) -> None:
        if script.gap:
            at = self._begun + self._next * script.gap
            self._timer = self._loop.call_at(at, self._send)
        else:
            self._timer = self._loop.call_soon(self._send)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.provider")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
