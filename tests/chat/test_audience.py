"""Who is switched off, signed out or suspended hears no more, also on what was open."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from accounts.models import User
from tenants.db import PUBLIC, entered
from tenants.models import Tenant
from tenants.services import set_status
from tests.chat.talk import Talk
from tests.factories import person
from tests.provider import Answer
from tests.servers import host_of, session_cookie

SLOW = Answer(tokens=4000, pace=20)


def switch_off(tenant: Tenant) -> None:
    with entered(tenant.scope):
        User.objects.filter(pk=person(tenant, "member").pk).update(is_active=False)


def suspend(tenant: Tenant) -> None:
    with entered(PUBLIC):
        set_status(tenant=tenant, status=Tenant.Status.SUSPENDED)


def sign_out(tenant: Tenant) -> None:
    with entered(tenant.scope):
        Session.objects.all().delete()


@pytest.mark.parametrize("end", [switch_off, suspend, sign_out])
def test_an_open_socket_is_closed(talk: Talk, end: Callable[[Tenant], None]) -> None:
    cookie = session_cookie(talk.tenant, "member")
    address = f"{host_of(talk.tenant)}:{talk.server.port}"
    with connect(
        f"ws://{address}/ws/news",
        sock=socket.create_connection(("127.0.0.1", talk.server.port)),
        origin=Origin(f"http://{address}"),
        additional_headers={
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookie.items())
        },
        proxy=None,
    ) as listening:
        listening.send(json.dumps({"type": "ping"}))
        assert json.loads(listening.recv(20))["type"] == "pong"
        end(talk.tenant)
        with pytest.raises(ConnectionClosed):
            while True:  # news of before may be on their way
                listening.recv(20)


def test_an_open_stream_breaks_off_and_its_turn_goes_on(talk: Talk) -> None:
    talk.provider.enqueue(SLOW)
    with talk.open() as stream:
        stream.until("text-delta", 3)
        switch_off(talk.tenant)
        assert stream.until("error")["errorText"] == "You may no longer read this here."
    assert talk.provider.open_streams == 1


def test_a_suspended_tenants_turns_are_stopped(talk: Talk) -> None:
    talk.provider.enqueue(SLOW)
    with talk.open() as stream:
        stream.until("text-delta", 3)
        suspend(talk.tenant)
        talk.provider.wait_closed(20)
