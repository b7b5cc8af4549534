"""Who may do what: each address of chat for everybody but its owner.

A message that is sent begins work outside the request, and so outside a test's
transaction: test_isolation.py does that on a live server.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chat.models import Share
from chat.urls import urlpatterns
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import ANSWER, ID, SHARE, everything, make_the_one
from tests.chat.talk import CHAT
from tests.clients import TenantClient
from tests.factories import make_key, person

ClientFor = Callable[..., TenantClient]


@dataclass(frozen=True)
class Address:
    method: str
    path: str
    body: object = None
    stranger: int = 404

    def call(self, client: TenantClient, **extra: Any) -> Any:
        return client.call(self.method, CHAT + self.path, self.body, **extra)


ADDRESSES = [
    Address("GET", "", stranger=200),
    Address("GET", f"/{ID}"),
    Address("PATCH", f"/{ID}", {"title": "Taken over"}),
    Address("DELETE", f"/{ID}"),
    Address("DELETE", f"/{ID}?purge=true"),
    Address("POST", f"/{ID}/archive"),
    Address("PATCH", f"/{ID}", {"active_leaf": ANSWER}),
    Address("POST", f"/{ID}/fork", {"message_id": ANSWER}),
    Address("DELETE", f"/{ID}/messages/{ANSWER}"),
    Address("POST", "/bulk", {"ids": [ID], "action": "delete"}, stranger=200),
    Address("GET", f"/{ID}/messages"),
    Address("GET", f"/{ID}/shares"),
    Address("POST", f"/{ID}/shares", {"with": "tenant"}),
    Address("DELETE", f"/{ID}/shares/{SHARE}"),
    *(Address("GET", f"/{ID}/export?format={kind}") for kind in ("json", "html")),
    # To follow what is not there is to follow nothing: clients ask for any new chat.
    Address("GET", f"/{ID}/stream", stranger=204),
    Address("POST", f"/{ID}/stop"),
]
each_address = pytest.mark.parametrize(
    "address", ADDRESSES, ids=lambda a: f"{a.method} {a.path or '/'}"
)


def assert_refused(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert (body["code"], body.keys()) == (code, {"detail", "code"})
    assert body["detail"].endswith(".")


@each_address
def test_nobody_is_let_in_without_signing_in(
    client_for: ClientFor, acme: Tenant, address: Address
) -> None:
    make_the_one(acme)
    before = everything(acme)
    for extra in (
        {},
        {"HTTP_AUTHORIZATION": "Bearer wrong"},
        {"HTTP_AUTHORIZATION": "Bearer "},
        {"HTTP_AUTHORIZATION": "Bearer a b c"},
        {"HTTP_AUTHORIZATION": "Basic bWVtYmVyOnB3"},
        {"HTTP_AUTHORIZATION": "Bearer \xff\xfe"},
    ):
        answer = address.call(client_for(acme), **extra)
        assert_refused(answer, 401, "unauthenticated")
        assert answer["WWW-Authenticate"] == "Bearer"
    assert everything(acme) == before


@each_address
def test_a_stranger_finds_nothing(
    client_for: ClientFor, acme: Tenant, address: Address
) -> None:
    make_the_one(acme)
    before = everything(acme)
    for name in ("stranger", "owner"):  # an owner of the tenant is one too
        answer = address.call(client_for(acme, name))
        if address.stranger == 404:
            assert_refused(answer, 404, "not_found")
        elif address.stranger == 204:
            assert (answer.status_code, answer.content) == (204, b"")
        elif address.path == "/bulk":
            assert answer.json() == {"changed": [], "skipped": [ID]}
        else:
            assert answer.json()["results"] == []
        assert b"acme" not in answer.content.lower()
    assert everything(acme) == before


@each_address
def test_the_same_person_of_another_tenant_finds_nothing(
    client_for: ClientFor, acme: Tenant, globex: Tenant, address: Address
) -> None:
    make_the_one(globex)
    before = everything(globex)
    answer = address.call(client_for(acme, "member"))
    if address.stranger == 404:
        assert_refused(answer, 404, "not_found")
    else:
        assert b"globex" not in answer.content.lower()
        assert answer.status_code == address.stranger
    assert everything(globex) == before


@each_address
def test_a_key_of_another_tenant_opens_nothing(
    client_for: ClientFor, acme: Tenant, globex: Tenant, address: Address
) -> None:
    make_the_one(acme)
    key = {"HTTP_AUTHORIZATION": f"Bearer {make_key(globex, 'member')}"}
    assert_refused(address.call(client_for(acme), **key), 401, "unauthenticated")
    own = {"HTTP_AUTHORIZATION": f"Bearer {make_key(acme, 'member')}"}
    if address.method == "GET":
        assert address.call(client_for(acme), **own).status_code in {200, 204}


def test_every_address_of_a_conversation_stands_above() -> None:
    tried = {re.sub("[?].*", "", address.path) for address in ADDRESSES}
    # Leaving is for guests alone; test_sharing.py does that.
    tried |= {f"/{ID}/leave"}
    ids = {"conversation_id": ID, "message_id": ANSWER, "share_id": SHARE}
    there = {
        re.sub(r"<id:(\w+)>", lambda found: ids[found[1]], str(each.pattern))
        for each in urlpatterns
        if "conversation_id" in str(each.pattern)
    }
    assert {path.removeprefix("chat") for path in there} <= tried


WRONG = [
    ("", ("PUT", "PATCH", "DELETE")),
    (f"/{ID}", ("POST", "PUT")),
    ("/bulk", ("GET", "PUT", "PATCH", "DELETE")),
    (f"/{ID}/fork", ("GET", "PUT", "PATCH", "DELETE")),
    (f"/{ID}/messages/{ANSWER}", ("GET", "POST", "PUT", "PATCH")),
    (f"/{ID}/archive", ("GET", "PUT", "PATCH", "DELETE")),
    (f"/{ID}/shares", ("PUT", "PATCH", "DELETE")),
    (f"/{ID}/shares/{SHARE}", ("GET", "POST", "PUT", "PATCH")),
    (f"/{ID}/leave", ("GET", "PUT", "PATCH", "DELETE")),
    (f"/{ID}/messages", ("POST", "PUT", "PATCH", "DELETE")),
    (f"/{ID}/stream", ("POST", "PUT", "PATCH", "DELETE")),
    (f"/{ID}/stop", ("GET", "PUT", "PATCH", "DELETE")),
]


@pytest.mark.parametrize(("path", "methods"), WRONG, ids=lambda value: str(value)[:20])
def test_a_wrong_method_is_a_405(
    client_for: ClientFor, acme: Tenant, path: str, methods: tuple[str, ...]
) -> None:
    make_the_one(acme)
    before = everything(acme)
    for method in methods:
        answer = client_for(acme, "member").call(method, CHAT + path)
        assert_refused(answer, 405, "method_not_allowed")
        assert answer["Allow"]
    assert everything(acme) == before


@pytest.mark.parametrize(
    "address",
    [address for address in ADDRESSES if address.method != "GET"],
    ids=lambda a: f"{a.method} {a.path or '/'}",
)
def test_a_session_needs_the_csrf_token(
    client_for: ClientFor, acme: Tenant, address: Address
) -> None:
    make_the_one(acme)
    with entered(acme.scope):
        Share.objects.create(
            pk=SHARE,
            conversation_id=ID,
            kind="tenant",
            created_by=person(acme, "member"),
        )
    before = everything(acme)
    browser = client_for(acme, "member", enforce_csrf_checks=True)
    assert_refused(address.call(browser), 403, "forbidden")
    assert_refused(address.call(browser, HTTP_X_CSRFTOKEN="x" * 64), 403, "forbidden")
    assert everything(acme) == before
    browser.get("/")
    token = browser.cookies["csrftoken"].value
    answer = address.call(browser, HTTP_X_CSRFTOKEN=token)
    assert answer.status_code < 300, answer.content


def test_a_key_needs_no_csrf_token(client_for: ClientFor, acme: Tenant) -> None:
    make_the_one(acme)
    program = client_for(acme, enforce_csrf_checks=True)
    key = {"HTTP_AUTHORIZATION": f"Bearer {make_key(acme, 'member')}"}
    answer = program.call("POST", f"{CHAT}/{ID}/archive", **key)
    assert answer.status_code == 200
