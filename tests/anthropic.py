"""A stand-in for Anthropic: a real HTTP server that speaks its Messages API.

`with AnthropicProvider() as anthropic:`; a provider of kind `anthropic` with
`anthropic.url` as its address then answers with `reply`, streamed word by word; first
with what `enqueue` was given: thoughts that it signs, text, calls of tools.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

SIGNATURE = "signed-by-the-stand-in"


@dataclass(frozen=True, slots=True)
class Turn:
    """`calls` are names and arguments of tools."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


class AnthropicProvider:
    """`requests` lists (headers in lower case, body) of what arrived."""

    def __init__(self, reply: str = "Salut from Claude.") -> None:
        self.reply = reply
        self.requests: list[tuple[dict[str, str], Any]] = []
        self._turns: deque[Turn] = deque()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def enqueue(self, *turns: Turn) -> None:
        self._turns.extend(turns)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def events(self, model: str) -> Iterator[dict[str, Any]]:
        """A streamed message, as docs.anthropic.com describes it."""
        turn = self._turns.popleft() if self._turns else Turn(self.reply)
        usage = {"input_tokens": 7, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        yield {"type": "message_start", "message": message}
        for index, (block, deltas) in enumerate(_blocks(turn)):
            yield {
                "type": "content_block_start",
                "index": index,
                "content_block": block,
            }
            for delta in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        yield {
            "type": "message_delta",
            "delta": {
                "stop_reason": "tool_use" if turn.calls else "end_turn",
                "stop_sequence": None,
            },
            "usage": {"output_tokens": len(turn.text.split(" "))},
        }
        yield {"type": "message_stop"}


def problem_of(body: dict[str, Any]) -> str:
    """Why Anthropic refuses a request whose messages do not fit together."""
    asked: set[str] = set()
    results: set[str] = set()
    before = ""
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text"}] if isinstance(content, str) else content
        if message["role"] == before:
            return "roles must alternate"
        before = message["role"]
        results = {b["tool_use_id"] for b in blocks if b["type"] == "tool_result"}
        if results != asked:
            return "`tool_use` ids were found without `tool_result` blocks"
        asked = {b["id"] for b in blocks if b["type"] == "tool_use"}
        if (asked or results) and not body.get("tools"):
            return "Requests which include `tool_use` must define tools"
        if any(b.get("signature", SIGNATURE) != SIGNATURE for b in blocks):
            return "Invalid `signature` in `thinking` block"
    if before != "user":
        return "the conversation must end with a user message"
    thinks = body.get("thinking", {}).get("type") == "enabled"
    if results and thinks and body["messages"][-2]["content"][0]["type"] != "thinking":
        return "a final `assistant` message must start with a thinking block"
    return ""


def _blocks(turn: Turn) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if turn.thinking:
        thought = {"type": "thinking_delta", "thinking": turn.thinking}
        signed = {"type": "signature_delta", "signature": SIGNATURE}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [thought, signed]
    if turn.text:
        words = turn.text.split(" ")
        pieces = [words[0], *(f" {word}" for word in words[1:])]
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        yield {"type": "text", "text": ""}, deltas
    for number, (name, given) in enumerate(turn.calls):
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
        text = json.dumps(given)
        halves = (text[: len(text) // 2], text[len(text) // 2 :])
        yield (
            call,
            [{"type": "input_json_delta", "partial_json": half} for half in halves],
        )


def _handler(provider: AnthropicProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class's name
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            provider.requests.append((headers, body))
            known = self.path == "/v1/messages" and body.get("stream") is True
            if known and (problem := problem_of(body)):
                self._refuse(problem)
                return
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for event in provider.events(body["model"]) if known else ():
                line = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
                self.wfile.write(line.encode())
                self.wfile.flush()

        def _refuse(self, problem: str) -> None:
            error = {"type": "invalid_request_error", "message": problem}
            self.send_response(400)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"type": "error", "error": error}).encode())

        def log_message(self, format: str, *args: Any) -> None:  # the base class's name
            """Nobody listens."""

    return Handler
