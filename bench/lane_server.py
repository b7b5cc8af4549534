"""A provider stand-in that speaks four formats, for bench.lanes: `python -m
bench.lane_server` prints its address and serves until its standard input closes.

A model's name says what is sent: `<chunks>-<chunks a write>-<µs between writes>`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from typing import Any

PIECE = "token "
Encode = Callable[[int], tuple[list[bytes], list[bytes]]]


def sse(payload: object, event: str = "") -> bytes:
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + json.dumps(payload).encode() + b"\n\n"


def openai(count: int) -> tuple[list[bytes], list[bytes]]:
    """(chunks with text, what follows them)."""
    frame: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
    }
    frame |= {"model": "bench", "system_fingerprint": "fp"}

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({**frame, "choices": [{**choice, "logprobs": None}]})

    counts = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": count + 9}
    end = [chunk({}, "stop"), sse({**frame, "choices": [], "usage": counts})]
    return [chunk({"content": PIECE})] * count, [*end, b"data: [DONE]\n\n"]


def anthropic(count: int) -> tuple[list[bytes], list[bytes]]:
    start: dict[str, Any] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [],
    }
    start |= {"model": "bench", "usage": {"input_tokens": 9, "output_tokens": 1}}
    block = {"type": "text", "text": ""}
    head = sse({"type": "message_start", "message": start}, "message_start") + sse(
        {"type": "content_block_start", "index": 0, "content_block": block},
        "content_block_start",
    )
    delta = {"type": "text_delta", "text": PIECE}
    piece = sse(
        {"type": "content_block_delta", "index": 0, "delta": delta},
        "content_block_delta",
    )
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {"output_tokens": count}
    end = [
        sse({"type": "content_block_stop", "index": 0}, "content_block_stop"),
        sse({"type": "message_delta", "delta": stop, "usage": usage}, "message_delta"),
        sse({"type": "message_stop"}, "message_stop"),
    ]
    return [head + piece, *[piece] * (count - 1)], end


def gemini(count: int) -> tuple[list[bytes], list[bytes]]:
    counts = {"promptTokenCount": 9, "candidatesTokenCount": count}
    counts["totalTokenCount"] = count + 9

    def chunk(text: str, **more: str) -> bytes:
        content = {"role": "model", "parts": [{"text": text}]}
        candidate = {"index": 0, "content": content, **more}
        body = {"candidates": [candidate], "usageMetadata": counts}
        return sse({**body, "modelVersion": "bench"})

    return [chunk(PIECE)] * count, [chunk("", finishReason="STOP")]


def ollama(count: int) -> tuple[list[bytes], list[bytes]]:
    def line(text: str, **more: object) -> bytes:
        message = {"role": "assistant", "content": text}
        return json.dumps({"model": "b", "message": message, **more}).encode() + b"\n"

    end = line("", done=True, done_reason="stop", prompt_eval_count=9, eval_count=count)
    return [line(PIECE, done=False)] * count, [end]


FORMATS: dict[str, Encode] = {
    "/messages": anthropic,
    "streamGenerateContent": gemini,
    "/api/chat": ollama,
    "/chat/completions": openai,
}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(size[1])) if size else b""
            path = head.split(" ")[1]
            wanted = re.search(r"(\d+)-(\d+)-(\d+)", path + body.decode())
            assert wanted, "the model's name tells what to send"
            count, burst, gap = (int(number) for number in wanted.groups())
            encode = next(made for part, made in FORMATS.items() if part in path)
            await answer(writer, encode(count), burst, gap / 1e6)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(
    writer: asyncio.StreamWriter,
    stream: tuple[list[bytes], list[bytes]],
    burst: int,
    gap: float,
) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunks, end = stream
    for at in range(0, len(chunks), burst):
        data = b"".join(chunks[at : at + burst])
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()
        if gap:
            await asyncio.sleep(gap)
    data = b"".join(end)
    writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
    await writer.drain()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
