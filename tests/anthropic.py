"""A stand-in for Anthropic: a real HTTP server that speaks its Messages API.

`with AnthropicProvider() as anthropic:`; a provider of kind `anthropic` with
`anthropic.url` as its address then answers with `reply`, streamed word by word.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class AnthropicProvider:
    """`requests` lists (headers in lower case, body) of what arrived."""

    def __init__(self, reply: str = "Salut from Claude.") -> None:
        self.reply = reply
        self.requests: list[tuple[dict[str, str], Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

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
        words = self.reply.split(" ")
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
        block = {"type": "text", "text": ""}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        for number, word in enumerate(words):
            delta = {"type": "text_delta", "text": word if not number else f" {word}"}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": len(words)},
        }
        yield {"type": "message_stop"}


def _handler(provider: AnthropicProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class's name
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            provider.requests.append((headers, body))
            known = self.path == "/v1/messages" and body.get("stream") is True
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for event in provider.events(body["model"]) if known else ():
                line = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
                self.wfile.write(line.encode())
                self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # the base class's name
            """Nobody listens."""

    return Handler
