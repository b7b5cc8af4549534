"""The sign-in page of a tenant."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest

from accounts.models import User
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import PASSWORD, email_of, person
from tests.servers import Kind, LiveServer

ClientFor = Callable[..., TenantClient]
SIGN_IN = "/accounts/login/"
MINE = "/api/v1/keys"


def sign_in(client: TenantClient, email: str, password: str = PASSWORD) -> Any:
    return client.post(SIGN_IN, {"login": email, "password": password})


@pytest.mark.parametrize("name", ["owner", "member", "stranger"])
def test_everybody_of_a_tenant_signs_in(
    name: str, acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme)
    assert client.get(SIGN_IN).status_code == 200
    answer = sign_in(client, email_of(acme, name))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert client.get(MINE).status_code == 200


def test_the_case_of_an_address_does_not_matter(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme)
    assert sign_in(client, "Member@ACME.test").status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("member@acme.test", "wrong-password"),
        ("member@acme.test", PASSWORD.upper()),
        ("member@globex.test", PASSWORD),
        ("nobody@acme.test", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("", ""),
    ],
)
def test_a_wrong_sign_in_is_refused(
    email: str, password: str, acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme)
    assert sign_in(client, email, password).status_code == 200
    assert client.get(MINE).status_code == 401


def test_a_switched_off_person_cannot_sign_in_and_is_signed_out(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    assert client.get(MINE).status_code == 200
    with entered(acme.scope):
        User.objects.filter(pk=person(acme, "member").pk).update(is_active=False)
    assert client.get(MINE).status_code == 401
    sign_in(client, email_of(acme, "member"))
    assert client.get(MINE).status_code == 401


def test_a_new_password_ends_other_sessions(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    with entered(acme.scope):
        member = person(acme, "member")
        member.set_password("another-password-9")
        member.save()
    assert client.get(MINE).status_code == 401


def test_signing_out_ends_the_session(acme: Tenant, client_for: ClientFor) -> None:
    client = client_for(acme, "member")
    cookies = copy.deepcopy(client.cookies)
    assert client.get("/accounts/logout/").status_code == 200, "asks first"
    assert client.get(MINE).status_code == 200
    client.post("/accounts/logout/")
    assert client.get(MINE).status_code == 401
    client.cookies = cookies
    assert client.get(MINE).status_code == 401


def test_sign_up_is_closed(acme: Tenant, client_for: ClientFor) -> None:
    client = client_for(acme)
    form = {
        "email": "new@acme.test",
        "password1": "harbour-quilt-17",
        "password2": "harbour-quilt-17",
    }
    client.get("/accounts/signup/")
    client.post("/accounts/signup/", form)
    with entered(acme.scope):
        assert not User.objects.filter(email="new@acme.test").exists()


def test_the_page_of_a_stranger_leads_to_sign_in(
    acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme).get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(SIGN_IN)


def test_an_open_redirect_is_not_followed(acme: Tenant, client_for: ClientFor) -> None:
    client = client_for(acme)
    form = {"login": email_of(acme, "member"), "password": PASSWORD}
    answer = client.post(f"{SIGN_IN}?next=http://evil.test/", form)
    assert answer.headers["Location"] == "/"


def test_a_form_without_its_token_is_refused(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, enforce_csrf_checks=True)
    answer = sign_in(client, email_of(acme, "member"))
    assert answer.status_code == 403
    assert client.get(MINE).status_code == 401


def test_an_address_the_account_had_before_opens_nothing(
    acme: Tenant, client_for: ClientFor, mailoutbox: list[Any]
) -> None:
    client = client_for(acme)
    old = email_of(acme, "member")
    assert sign_in(client, old).status_code == 302  # allauth notes the address now
    client = client_for(acme)
    with entered(acme.scope):
        User.objects.filter(email=old).update(email="moved@acme.test")
    assert sign_in(client, old).status_code == 200
    client.post("/accounts/password/reset/", {"email": old})
    assert [mail.to for mail in mailoutbox if "/reset/key/" in mail.body] == []
    client.post("/accounts/password/reset/", {"email": "moved@acme.test"})
    sent = [mail for mail in mailoutbox if "/reset/key/" in mail.body]
    assert [mail.to for mail in sent] == [["moved@acme.test"]]
    assert "acme.localhost" in sent[0].body


def test_a_reset_link_of_one_tenant_opens_nothing_in_another(
    acme: Tenant, globex: Tenant, client_for: ClientFor, mailoutbox: list[Any]
) -> None:
    client_for(acme).post(
        "/accounts/password/reset/", {"email": email_of(acme, "member")}
    )
    path = re.search(r"/accounts/password/reset/key/\S+", mailoutbox[-1].body)
    assert path is not None
    assert "action" in client_for(acme).get(path[0], follow=True).content.decode()
    elsewhere = client_for(globex).get(path[0], follow=True)
    assert "password1" not in elsewhere.content.decode()


def test_wrong_passwords_are_counted_by_all_workers_together(
    committed: None, _server_of: Callable[[Kind], LiveServer], acme: Tenant
) -> None:
    # Two processes of one installation, at one address, asked in turn.
    host = {"Host": "acme.localhost"}
    servers = cycle([_server_of("daphne"), _server_of("uvicorn")])

    def attempt(password: str) -> int:
        with next(servers).client(acme, headers=host) as client:
            client.get(SIGN_IN)
            form = {
                "login": email_of(acme, "member"),
                "password": password,
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            }
            return client.post(SIGN_IN, data=form).status_code

    assert [attempt("wrong-password") for _ in range(5)] == [200] * 5
    assert attempt(PASSWORD) == 200, "refused, though it is right"
