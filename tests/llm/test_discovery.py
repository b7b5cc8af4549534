"""Lists of models: from a server, or from the price list."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from llm import session
from llm.client import Endpoint
from llm.discovery import models_at
from llm.errors import LLMError, ProviderBadRequest, ProviderError, ProviderUnavailable

SECRET = "sk-for-the-list-of-models"


@contextmanager
def serving(body: bytes, status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """An address whose every page is this answer; paths and keys that were asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class's name
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # as above
            """Nobody listens."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def found(endpoint: Endpoint, *, private: bool = True) -> list[str]:
    async def go() -> list[str]:
        try:
            return await models_at(endpoint, private_addresses=private)
        finally:
            await session.close_connections()

    return asyncio.run(go())


def test_a_compatible_server_is_asked_with_its_key() -> None:
    names = ["b", "a", "a", "", "two words", 7, "x" * 200, "nul\x00"]
    body = json.dumps({"data": [{"id": name} for name in names]}).encode()
    with serving(body) as (url, asked):
        endpoint = Endpoint("openai_compatible", SECRET, f"{url}/v1/")
        assert found(endpoint) == ["a", "b"]
    assert asked == [("/v1/models", f"Bearer {SECRET}")]


def test_a_known_provider_is_looked_up_and_not_asked() -> None:
    assert "gpt-4o" in found(Endpoint("openai", SECRET, "http://127.0.0.1:9/v1"))


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 200, ProviderError),
        (b'{"data": 1}', 200, ProviderError),
        (b"[]", 200, ProviderError),
        (b'{"data": [' + b" " * 3_000_000 + b"]}", 200, ProviderError),
        (b"", 302, ProviderBadRequest),
        (SECRET.encode(), 503, ProviderUnavailable),
    ],
    ids=["garbage", "no list", "another shape", "too long", "redirect", "overloaded"],
)
def test_what_is_no_list_is_a_failure(
    body: bytes, status: int, kind: type[LLMError]
) -> None:
    with serving(body, status) as (url, asked), pytest.raises(kind) as failed:
        found(Endpoint("openai_compatible", SECRET, url))
    assert len(asked) == 1
    assert SECRET not in failed.value.detail


def test_a_private_address_is_not_connected_to() -> None:
    """Also where a name led elsewhere when the address was saved."""
    with serving(b'{"data": []}') as (url, asked):
        with pytest.raises(ProviderUnavailable):
            found(Endpoint("openai_compatible", SECRET, url), private=False)
        assert asked == []
