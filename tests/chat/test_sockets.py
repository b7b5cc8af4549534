"""What a browser may send by socket. Who gets one is in tests/tenants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings

from chat.routing import websocket_urlpatterns
from tenants.asgi import SocketTenantMiddleware
from tenants.models import Tenant
from tests.factories import email_of
from tests.servers import session_cookie

Talk = Callable[[WebsocketCommunicator], Awaitable[None]]


def with_socket(tenant: Tenant, path: str, key: str, talk: Talk) -> None:
    """Lets `talk` have a socket, not yet connected, with this cookie's value."""
    host = f"{tenant.slug}.localhost"
    headers = {
        "host": host,
        "origin": f"http://{host}",
        "cookie": f"{settings.SESSION_COOKIE_NAME}={key}",
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def go() -> None:
        application = SocketTenantMiddleware(URLRouter(websocket_urlpatterns))
        socket = WebsocketCommunicator(application, path, headers=raw)
        await talk(socket)
        await socket.disconnect(timeout=30)

    async_to_sync(go)()


def key_of(tenant: Tenant) -> str:
    return session_cookie(tenant, "member")[settings.SESSION_COOKIE_NAME]


async def check_alive(socket: WebsocketCommunicator, email: str) -> None:
    await socket.send_json_to({"type": "ping"})
    answer: dict[str, Any] = await socket.receive_json_from(timeout=30)
    assert answer["email"] == email


@pytest.mark.parametrize("frame", [{"bytes": b"\x00\xff"}, {"text": ""}])
def test_a_frame_without_text_does_not_end_a_socket(
    frame: dict[str, Any], inline_units: None, acme: Tenant
) -> None:
    async def talk(socket: WebsocketCommunicator) -> None:
        assert (await socket.connect(timeout=30))[0]
        await socket.send_input({"type": "websocket.receive", **frame})
        await check_alive(socket, email_of(acme, "member"))

    with_socket(acme, "/ws/news", key_of(acme), talk)


@pytest.mark.parametrize("path", ["/ws/other", "/", "/ws/news/", "/ws/\x00"])
def test_an_address_without_a_socket_is_refused(
    path: str, inline_units: None, acme: Tenant
) -> None:
    async def talk(socket: WebsocketCommunicator) -> None:
        assert await socket.connect(timeout=30) == (False, 4404)

    with_socket(acme, path, key_of(acme), talk)


@pytest.mark.parametrize("key", ['"\\000aaaaaaaaaaaa"', "a" * 32])
def test_a_cookie_that_is_no_session_is_refused(
    key: str, inline_units: None, acme: Tenant
) -> None:
    async def talk(socket: WebsocketCommunicator) -> None:
        assert await socket.connect(timeout=30) == (False, 4401)

    with_socket(acme, "/ws/news", key, talk)
