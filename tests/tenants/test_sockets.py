"""Web sockets: tenant and person are settled before a consumer hears anything."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from accounts.models import User
from tenants.db import entered
from tenants.models import Tenant
from tests.factories import make_key, person
from tests.servers import LiveServer, host_of, session_cookie

REFUSED = (ConnectionClosed, InvalidStatus)


@contextmanager
def opened(
    server: LiveServer,
    host: str,
    cookie: dict[str, str],
    *,
    origin: str | None = "same",
    headers: dict[str, str] | None = None,
) -> Iterator[ClientConnection]:
    address = f"{host}:{server.port}"
    cookies = "; ".join(f"{name}={value}" for name, value in cookie.items())
    with connect(
        f"ws://{address}/ws/news",
        sock=socket.create_connection(("127.0.0.1", server.port)),
        origin=f"http://{address}" if origin == "same" else origin,  # type: ignore[arg-type]  # a NewType of str
        additional_headers={"Cookie": cookies, **(headers or {})},
        open_timeout=30,
        proxy=None,
    ) as connection:
        yield connection


def ask(connection: ClientConnection) -> dict[str, Any]:
    connection.send('{"type": "ping"}')
    answer: dict[str, Any] = json.loads(connection.recv(timeout=30))
    return answer


def refused(*args: Any, **options: Any) -> bool:
    try:
        with opened(*args, **options) as connection:
            ask(connection)
    except REFUSED:
        return True
    return False


def test_a_socket_knows_its_tenant_and_person(
    each_server: LiveServer, acme: Tenant, globex: Tenant
) -> None:
    here, there = session_cookie(acme, "member"), session_cookie(globex, "member")
    with (
        opened(each_server, host_of(acme), here) as ours,
        opened(each_server, host_of(globex), there) as theirs,
    ):
        for _ in range(20):
            ours.send('{"type": "ping"}')
            theirs.send('{"type": "ping"}')
            heard = [json.loads(each.recv(timeout=30)) for each in (ours, theirs)]
            assert [(each["tenant"], each["email"]) for each in heard] == [
                ("acme", "member@acme.test"),
                ("globex", "member@globex.test"),
            ]


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.test",
        "http://acme.localhost",
        "http://acme.localhost.evil.test",
        "http://globex.localhost",
        "file://",
        "http://[",
    ],
)
def test_a_page_of_another_site_gets_no_socket(
    origin: str | None, server: LiveServer, acme: Tenant
) -> None:
    cookie = session_cookie(acme, "member")
    assert not refused(server, host_of(acme), cookie)
    assert refused(server, host_of(acme), cookie, origin=origin)


def test_strangers_get_no_socket(
    each_server: LiveServer, acme: Tenant, globex: Tenant
) -> None:
    cookie = session_cookie(acme, "member")
    assert refused(each_server, host_of(globex), cookie), "another tenant's session"
    assert refused(each_server, "nobody.localhost", cookie), "an unknown host"
    assert refused(each_server, "localhost", cookie), "the platform's host"
    assert refused(each_server, host_of(acme), {}), "nobody"
    assert refused(each_server, host_of(acme), {"sessionid": "x" * 32})
    assert refused(each_server, host_of(acme), {"sessionid": '"\\000"'})
    assert not refused(each_server, host_of(acme), cookie)


def test_a_switched_off_person_gets_no_socket(server: LiveServer, acme: Tenant) -> None:
    cookie = session_cookie(acme, "stranger")
    with entered(acme.scope):
        User.objects.filter(pk=person(acme, "stranger").pk).update(is_active=False)
    assert refused(server, host_of(acme), cookie)


def test_a_key_is_no_session(server: LiveServer, acme: Tenant) -> None:
    bearer = {"Authorization": f"Bearer {make_key(acme, 'member')}"}
    assert refused(server, host_of(acme), {}, headers=bearer)


def test_nonsense_does_not_end_a_socket(server: LiveServer, acme: Tenant) -> None:
    cookie = session_cookie(acme, "member")
    with opened(server, host_of(acme), cookie) as connection:
        for nonsense in ("{", "[]", '"x"', "null", "[" * 10_000, '{"type": {}}'):
            connection.send(nonsense)
        assert ask(connection)["tenant"] == "acme"
