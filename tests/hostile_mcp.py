"""MCP servers that misbehave: real HTTP, one misdeed to an address.

`with HostileMcp() as mcp:`; `mcp.url("gzip")` is the server that answers compressed.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

ADD = {"name": "add", "inputSchema": {"type": "object"}}
SECRET = "what-the-server-was-sent-in-confidence"
# Only the first and the last can be offered to a model.
ODD_TOOLS: list[dict[str, Any]] = [
    {**ADD, "description": "a\x00b" + "c" * 5_000},
    {"name": "number", "inputSchema": {"type": "object", "minimum": 10**30}},
    {"name": "wide", "inputSchema": {"type": "object", "title": "x" * 30_000}},
    {"name": "a b", "inputSchema": {"type": "object"}},
    {"name": "x" * 100, "inputSchema": {"type": "object"}},
    {"name": "", "inputSchema": {"type": "object"}},
    {"name": "_last", "inputSchema": {"type": "object", "properties": {}}},
]


class HostileMcp:
    """`asked` counts the lists of tools that were asked for; `reached` lists the paths
    of all requests; while `is_changed` is set there is a tool less."""

    def __init__(self) -> None:
        self.asked = 0
        self.reached: list[str] = []
        self.is_changed = False
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, misdeed: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{misdeed}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def _handler(mcp: HostileMcp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the base class's name
            mcp.reached.append(f"GET {self.path}")
            self._send(b"", "text/event-stream")

        def do_POST(self) -> None:  # the base class's name
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            misdeed = self.path.strip("/")
            mcp.reached.append(self.path)
            if misdeed in _ANY:
                _ANY[misdeed](self, mcp)
            elif "id" not in asked:
                self._send(b"", "application/json", 202)
            elif asked["method"] == "initialize":
                self._answer(asked, _hello(asked))
            elif asked["method"] == "tools/list":
                mcp.asked += 1
                self._answer(asked, _LISTS.get(misdeed, _list)(mcp))
            elif asked["method"] == "tools/call":
                _CALLS[misdeed](self, asked)
            else:
                error = {"code": -32601, "message": f"no such method {SECRET}"}
                self._json({"jsonrpc": "2.0", "id": asked["id"], "error": error})

        def _answer(self, asked: Any, result: Any) -> None:
            self._json({"jsonrpc": "2.0", "id": asked["id"], "result": result})

        def _json(self, message: Any) -> None:
            self._send(json.dumps(message).encode(), "application/json")

        def _send(self, body: bytes, kind: str, status: int = 200, **more: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            # Only who is given a session listens for what comes unasked.
            self.send_header("Mcp-Session-Id", "a-session")
            for name, value in more.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, pieces: Callable[[], bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                while not mcp.over.is_set():
                    self.wfile.write(pieces())
            except OSError:  # they have had enough
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # the base class's name
            """Nobody listens."""

    return Handler


def _hello(asked: Any) -> dict[str, Any]:
    return {
        "protocolVersion": asked["params"]["protocolVersion"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "hostile", "version": "1"},
    }


def _list(mcp: HostileMcp) -> dict[str, Any]:
    return {"tools": [] if mcp.is_changed else [ADD]}


def _odd(mcp: HostileMcp) -> dict[str, Any]:
    return {"tools": ODD_TOOLS}


def _pages(mcp: HostileMcp) -> dict[str, Any]:
    """A list that never ends."""
    tools = [{**ADD, "name": f"t{mcp.asked}_{number}"} for number in range(5)]
    return {"tools": tools, "nextCursor": "more"}


_LISTS: dict[str, Callable[[HostileMcp], dict[str, Any]]] = {
    **{"odd": _odd, "pages": _pages}
}


def html(handler: Any, mcp: HostileMcp) -> None:
    handler._send(b"<html>Sign in, please</html>", "text/html")


def refuse(handler: Any, mcp: HostileMcp) -> None:
    words = SECRET + str(handler.headers["Authorization"])
    handler._send(words.encode(), "text/plain", 401)


def hang(handler: Any, mcp: HostileMcp) -> None:
    mcp.asked += 1
    mcp.over.wait(30)


def move(handler: Any, mcp: HostileMcp) -> None:
    handler._send(b"", "text/html", 307, Location=mcp.url("plain", "localhost"))


def squeeze(handler: Any, _: Any) -> None:
    body = gzip.compress(b'{"jsonrpc": "2.0", "id": 1}' + b" " * 100_000_000)
    handler._send(body, "application/json", Content_Encoding="gzip")


def long(handler: Any, mcp: HostileMcp) -> None:
    handler._stream(lambda: b"data: " + b"x" * 65_536)


def flood(handler: Any, asked: Any) -> None:
    note = b'data: {"jsonrpc": "2.0", "method": "notifications/none"}\n\n'
    handler._stream(lambda: note * 1_000)


def lie(handler: Any, asked: Any) -> None:
    content = [{"type": "text", "text": "for somebody else"}]
    handler._answer({"id": "another"}, {"content": content})


def garbage(handler: Any, asked: Any) -> None:
    handler._send(SECRET.encode() + b"{]\xff", "application/json")


def wrong(handler: Any, asked: Any) -> None:
    handler._answer(asked, {"content": "none", "secret": SECRET})


def slow(handler: Any, asked: Any) -> None:
    time.sleep(0.2)
    handler._answer(asked, {"content": [], "structuredContent": {"a": [1]}})


_ANY: dict[str, Callable[[Any, HostileMcp], None]] = {
    **{"html": html, "refuse": refuse, "hang": hang, "move": move},
    **{"gzip": squeeze, "long": long},
}
_CALLS: dict[str, Callable[[Any, Any], None]] = {
    **{"flood": flood, "lie": lie, "garbage": garbage, "wrong": wrong},
    **{"plain": slow, "squeezed": squeeze},
}
