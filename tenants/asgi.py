"""Tenant and user for each web socket, and a check of its Origin.

Channels' own AuthMiddlewareStack looks the user up on a thread shared by all sockets,
whose connection may stand in any tenant. Here everything is one database unit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from tenants.db import PUBLIC, current, unit
from tenants.hosts import host_name, resolve

ASGIApp = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# Close codes in the private range, the same words as our HTTP answers.
NOT_FOUND, FOREIGN_ORIGIN, UNAUTHENTICATED = 4404, 4403, 4401


class SocketTenantMiddleware:
    """Sets `scope["tenant"]` (tenants.db.Scope), `scope["user"]` and
    `scope["session_key"]`, or refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = _headers(scope)
        host = headers.get("host", "")
        resolution = await resolve(host)
        tenant = resolution.scope
        if tenant is None or tenant is PUBLIC or resolution.suspended:
            return await _close(receive, send, NOT_FOUND)
        if not _same_origin(headers.get("origin", ""), host):
            return await _close(receive, send, FOREIGN_ORIGIN)
        key = session_key(headers.get("cookie", ""))
        user = await unit(tenant, load_user, key)
        if not user.is_authenticated:
            return await _close(receive, send, UNAUTHENTICATED)
        current.set(tenant)
        found = {"tenant": tenant, "user": user, "session_key": key}
        await self.app({**scope, **found}, receive, send)


async def no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The application at every address that has no other."""
    await _close(receive, send, NOT_FOUND)


def session_key(cookie: str) -> str | None:
    """The session key in a Cookie header, if any."""
    try:
        found = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    return found.value if found else None


def load_user(key: str | None) -> AbstractBaseUser | AnonymousUser:
    """The signed-in, active user of a session of the current tenant."""
    if not key:
        return AnonymousUser()
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]  # it reads only .session


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {
        name.decode("latin1"): value.decode("latin1")
        for name, value in scope["headers"]
    }


def _same_origin(origin: str, host: str) -> bool:
    """Browsers always send Origin; what has none is no browser and carries no
    cookie by accident, but a socket without it is refused all the same."""
    try:
        parts = urlsplit(origin)
        return (
            parts.scheme in {"http", "https"}
            and host_name(parts.netloc) == host_name(host)
            and parts.netloc.lower() == host.lower()
        )
    except ValueError:
        return False


async def _close(receive: Any, send: Any, code: int) -> None:
    await receive()
    await send({"type": "websocket.close", "code": code})
