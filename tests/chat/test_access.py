"""Who may do what: each address of chat for everybody but its owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chat.models import Conversation, Message
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.chat.talk import CHAT, sdk_body
from tests.clients import TenantClient
from tests.factories import make_key

ClientFor = Callable[..., TenantClient]
ID = "shared-id-01"
QUESTION, ANSWER = "question-0001", "answer-000001"


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
    Address("POST", "", {"message": "Hi", "conversationId": ID}),
    Address("GET", f"/{ID}"),
    Address("PATCH", f"/{ID}", {"title": "Taken over"}),
    Address("DELETE", f"/{ID}"),
    Address("DELETE", f"/{ID}?purge=true"),
    Address("POST", f"/{ID}/archive"),
    Address("GET", f"/{ID}/messages"),
    # To follow what is not there is to follow nothing: clients ask for any new chat.
    Address("GET", f"/{ID}/stream", stranger=204),
    Address("POST", f"/{ID}/stop"),
]
each_address = pytest.mark.parametrize(
    "address", ADDRESSES, ids=lambda a: f"{a.method} {a.path or '/'}"
)

# In one tenant only; everybody else knows the ids.
SENDS: list[dict[str, Any]] = [
    {"message": "Hi", "conversationId": ID},
    {"message": "Hi", "conversationId": ID, "parentId": ANSWER},
    {"message": "Hi", "parentId": ANSWER},
    sdk_body("Hi", chat=ID),
    sdk_body("Hi", chat=ID, own_id="message-0001"),
    sdk_body("Hi", chat=ID, messageId=QUESTION),
    sdk_body("Hi", messageId=QUESTION),
    sdk_body("Hi", parentId=QUESTION),
    sdk_body("Hi", chat=ID, parentId=ANSWER),
    {"id": ID, "messages": [], "trigger": "regenerate-message"},
    {"id": ID, "messages": [], "trigger": "regenerate-message", "messageId": ANSWER},
    {"messages": [], "trigger": "regenerate-message", "messageId": ANSWER},
]


def make_the_one(tenant: Tenant, name: str = "member", **fields: Any) -> Conversation:
    """A conversation under ids that everybody knows."""
    made = make_conversation(tenant, name, said=(), pk=ID, **fields)
    with entered(tenant.scope):
        question = Message.objects.create(
            pk=QUESTION, conversation=made, role="user", text=f"Of {tenant.slug}"
        )
        answer = Message.objects.create(
            pk=ANSWER,
            conversation=made,
            role="assistant",
            parent=question,
            text=f"By {tenant.slug}",
        )
        made.active_leaf = answer
        made.save()
    return made


def everything(tenant: Tenant) -> list[Any]:
    """All rows of chat, to be compared with what they were."""
    with entered(tenant.scope):
        return [*Conversation.objects.values(), *Message.objects.values()]


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
    if (address.method, address.path) == ("POST", ""):
        return  # the id is free here: test_isolation sends it on a live server
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


@pytest.mark.parametrize("body", SENDS, ids=range(len(SENDS)))
def test_nobody_sends_into_anothers_conversation(
    client_for: ClientFor, acme: Tenant, body: dict[str, Any]
) -> None:
    make_the_one(acme)
    before = everything(acme)
    answer = client_for(acme, "stranger").call("POST", CHAT, body)
    assert_refused(answer, 404, "not_found")
    assert everything(acme) == before


@pytest.mark.parametrize(
    "body",
    [
        {"message": "Hi", "conversationId": "mine-00000001", "parentId": ANSWER},
        sdk_body("Hi", chat="mine-00000001", messageId=QUESTION),
        sdk_body("Hi", chat="mine-00000001", own_id=QUESTION),
        sdk_body("Hi", chat="not-yet-there", own_id=QUESTION),
        {
            "id": "mine-00000001",
            "messages": [],
            "trigger": "regenerate-message",
            "messageId": ANSWER,
        },
    ],
    ids=range(5),
)
def test_anothers_messages_cannot_be_drawn_into_ones_own_conversation(
    client_for: ClientFor, acme: Tenant, body: dict[str, Any]
) -> None:
    make_the_one(acme, "stranger")
    make_conversation(acme, pk="mine-00000001")
    before = everything(acme)
    answer = client_for(acme, "member").call("POST", CHAT, body)
    assert_refused(answer, 404, "not_found")
    assert everything(acme) == before


WRONG = [
    ("", {"PUT", "PATCH", "DELETE"}),
    (f"/{ID}", {"POST", "PUT"}),
    (f"/{ID}/archive", {"GET", "PUT", "PATCH", "DELETE"}),
    (f"/{ID}/messages", {"POST", "PUT", "PATCH", "DELETE"}),
    (f"/{ID}/stream", {"POST", "PUT", "PATCH", "DELETE"}),
    (f"/{ID}/stop", {"GET", "PUT", "PATCH", "DELETE"}),
]


@pytest.mark.parametrize(("path", "methods"), WRONG, ids=lambda value: str(value)[:20])
def test_a_wrong_method_is_a_405(
    client_for: ClientFor, acme: Tenant, path: str, methods: set[str]
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
    before = everything(acme)
    browser = client_for(acme, "member", enforce_csrf_checks=True)
    assert_refused(address.call(browser), 403, "forbidden")
    assert_refused(address.call(browser, HTTP_X_CSRFTOKEN="x" * 64), 403, "forbidden")
    assert everything(acme) == before
    if address.path:  # a POST without one starts a turn: test_csrf_on_a_live_server
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
