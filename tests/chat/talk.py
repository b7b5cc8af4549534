"""A person who talks to an agent on a live server, and the streams that person reads.

The agent's model is the stand-in provider; everything goes over HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx

from tenants.models import Tenant
from tests.chat.parts import Part, check_order, read_part, text_of
from tests.provider import SECRET_MARKER, Provider
from tests.servers import LiveServer

CHAT = "/api/v1/chat"


class Stream:
    """One reader's stream, read as far as asked; every part is checked strictly.

    `frames` are its events in order: comments, payloads and `[DONE]` alike.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.frames: list[str] = []
        self.parts: list[Part] = []
        self._source = self._read(response)

    def until(self, kind: str, count: int = 1) -> Part:
        """Read on to the `count`th part of this type from here."""
        for part in self._source:
            count -= part["type"] == kind
            if not count:
                return part
        raise AssertionError(f"the stream ended without {kind}: {self.parts}")

    def until_comment(self, comment: str) -> None:
        """Read on until this comment has been sent."""
        while comment not in self.frames:
            next(self._source)

    def rest(self) -> Self:
        """Read to the end, which must be a proper one."""
        for _ in self._source:
            pass
        assert self.frames[0] == ": stream-open"
        assert self.frames[-1] == "data: [DONE]"
        assert self.frames.count("data: [DONE]") == 1
        check_order(self.parts)
        assert SECRET_MARKER not in "".join(self.frames)
        return self

    def _read(self, response: httpx.Response) -> Iterator[Part]:
        """Yields parts; an empty one for each comment, so that waiting can end."""
        held = b""
        for piece in response.iter_raw():
            *events, held = (held + piece).split(b"\n\n")
            for event in events:
                yield self._take(event.decode())
        assert not held, f"the last event has no blank line: {held!r}"

    def _take(self, frame: str) -> Part:
        assert "\n" not in frame, f"more than one line: {frame!r}"
        self.frames.append(frame)
        if frame.startswith(": ") or frame == "data: [DONE]":
            return {"type": ""}
        assert frame.startswith("data: "), f"neither data nor comment: {frame!r}"
        part = read_part(frame.removeprefix("data: "))
        self.parts.append(part)
        return part

    @property
    def text(self) -> str:
        return text_of(self.parts)

    @property
    def kinds(self) -> list[str]:
        return [part["type"] for part in self.parts]

    @property
    def start(self) -> dict[str, Any]:
        """The metadata of `start` and, as `messageId`, the reply's id."""
        first = self.parts[0]
        return {**first["messageMetadata"], "messageId": first["messageId"]}

    @property
    def conversation_id(self) -> str:
        found: str = self.start["conversationId"]
        return found


class Talk:
    """A member of `tenant` at `server`, by API key; `client` is for everything else."""

    def __init__(
        self,
        server: LiveServer,
        tenant: Tenant,
        provider: Provider,
        name: str = "member",
    ) -> None:
        self.server = server
        self.tenant = tenant
        self.provider = provider
        self.client = server.client(tenant, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @contextmanager
    def open(
        self, text: str | None = "Hello", *, query: str = "", **fields: Any
    ) -> Iterator[Stream]:
        """Send a message and hold its stream; leaving the block leaves the stream."""
        body = fields if text is None else {"message": text, **fields}
        with self.client.stream("POST", CHAT + query, json=body) as response:
            assert response.status_code == 200, response.read()
            yield Stream(response)

    def send(self, text: str | None = "Hello", **fields: Any) -> Stream:
        """Send a message and read its stream to the end."""
        with self.open(text, **fields) as stream:
            return stream.rest()

    @contextmanager
    def follow(self, conversation_id: str, query: str = "") -> Iterator[Stream]:
        """Join the running turn as a further reader."""
        path = f"{CHAT}/{conversation_id}/stream{query}"
        with self.client.stream("GET", path) as response:
            assert response.status_code == 200, response.status_code
            yield Stream(response)

    def stop(self, conversation_id: str) -> None:
        answer = self.client.post(f"{CHAT}/{conversation_id}/stop")
        assert answer.status_code == 204, answer.text

    def detail(self, conversation_id: str, query: str = "") -> dict[str, Any]:
        answer = self.client.get(f"{CHAT}/{conversation_id}{query}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def messages(
        self, conversation_id: str, branch: str = "active"
    ) -> list[dict[str, Any]]:
        """Oldest first."""
        page = self.detail(conversation_id, f"?branch={branch}&limit=100")
        found: list[dict[str, Any]] = page["messages"]["results"]
        return found[::-1]

    def wait_ended(self, conversation_id: str) -> dict[str, Any]:
        """The newest message once it is no longer being written."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            newest = self.messages(conversation_id)[-1]
            if newest["status"] not in {"pending", "streaming"}:
                return newest
            time.sleep(0.05)
        raise AssertionError(f"still being written: {newest}")


def sdk_body(text: str, *, chat: str = "", **fields: Any) -> dict[str, Any]:
    """A body as `useChat` sends it; the message's id is `fields["own_id"]`."""
    message: dict[str, Any] = {"role": "user", "parts": [text_part(text)]}
    if own_id := fields.pop("own_id", None):
        message["id"] = own_id
    body = {"messages": [message], "trigger": "submit-message", **fields}
    return {"id": chat, **body} if chat else body


def text_part(text: str) -> Part:
    return {"type": "text", "text": text}
