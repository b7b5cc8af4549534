"""The pages of the settings, and what they change of every other page."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings

from accounts.middleware import ZONE_COOKIE
from accounts.models import ApiKey, User
from accounts.preferences import COOKIE
from tenants.db import entered
from tenants.models import Tenant
from tests.accounts.test_sign_in import sign_in
from tests.clients import TenantClient
from tests.factories import email_of, person

ClientFor = Callable[..., TenantClient]
PAGES = [
    "/settings/profile",
    "/settings/appearance",
    "/settings/language",
    "/settings/keys",
    "/settings/sessions",
    "/settings/data",
    "/settings/shortcuts",
    "/conversations",
]


def choose(tenant: Tenant, name: str, **values: str) -> None:
    user = person(tenant, name)
    with entered(tenant.scope):
        User.objects.filter(pk=user.pk).update(**values)


def html_tag(answer: Any) -> str:
    found = re.search("<html[^>]*>", answer.content.decode())
    assert found
    return found[0]


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_an_address_that_only_the_signed_in_may_open(
    acme: Tenant, client_for: ClientFor, path: str
) -> None:
    assert client_for(acme, "member").get(path).status_code == 200
    answer = client_for(acme).get(path)
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next={path}"


def test_a_name_is_saved_and_one_that_is_too_long_refused(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    answer = client.post("/settings/profile", {"name": "Ada", "role": "owner"})
    assert answer["Location"] == "/settings/profile"
    member = person(acme, "member")
    assert (member.name, member.role) == ("Ada", "member")
    for bad in ("x" * 151, "a\x00b"):
        assert client.post("/settings/profile", {"name": bad}).status_code == 400
    assert person(acme, "member").name == "Ada"


def test_the_chosen_look_is_in_the_page_as_it_arrives(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    client.post("/settings/appearance", {"theme": "dark", "text_size": "large"})
    page = client.get("/")
    assert 'data-theme="dark" data-text-size="large"' in html_tag(page)
    assert '<meta name="color-scheme" content="dark">' in page.content.decode()
    # The next person at this browser, before anybody has signed in.
    nobody = client_for(acme)
    nobody.cookies[COOKIE] = client.cookies[COOKIE].value
    assert 'data-theme="dark"' in html_tag(nobody.get("/accounts/login/"))
    bad = client_for(acme, "member").post("/settings/appearance", {"theme": "pink"})
    assert bad.status_code == 400


def test_a_new_device_has_the_look_from_the_sign_in_on(
    acme: Tenant, client_for: ClientFor
) -> None:
    choose(acme, "member", theme="dark", language="de")
    client = client_for(acme)
    sign_in(client, email_of(acme, "member"))
    assert client.cookies[COOKIE].value == "dark.normal.de"
    assert 'lang="de"' in html_tag(client.get("/"))


@pytest.mark.parametrize("cookie", ["", "x", "pink.huge.tlh", "....", "dark"])
def test_a_cookie_nobody_can_read_changes_nothing_else(
    acme: Tenant, client_for: ClientFor, cookie: str
) -> None:
    client = client_for(acme)
    client.cookies[COOKIE] = cookie
    answer = client.get("/accounts/login/")
    assert answer.status_code == 200
    theme = "dark" if cookie == "dark" else "system"
    assert f'data-theme="{theme}" data-text-size="normal"' in html_tag(answer)


def test_the_browser_chooses_the_language_until_the_person_does(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    german = {"accept-language": "de-AT,de;q=0.9"}
    answer = client.get("/settings/language", headers=german)
    assert 'lang="de" dir="ltr"' in html_tag(answer)
    assert answer["Content-Language"] == "de"
    assert "Sprache" in answer.content.decode()
    client.post("/settings/language", {"language": "he"}, headers=german)
    answer = client.get("/settings/language", headers=german)
    assert 'lang="he" dir="rtl"' in html_tag(answer)
    assert client.post("/settings/language", {"language": "xx"}).status_code == 400


def test_programs_are_answered_in_english(acme: Tenant, client_for: ClientFor) -> None:
    client = client_for(acme, "member")
    client.cookies[COOKIE] = "system.normal.de"
    answer = client.call("POST", "/api/v1/chat/bulk", {"action": "archive", "ids": []})
    assert answer.status_code == 400
    assert "Ensure this field has at least 1" in answer.json()["detail"]


def test_a_key_is_shown_once_works_and_is_revoked(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    answer = client.post("/settings/keys", {"name": "Robot"})
    assert "no-store" in answer["Cache-Control"]
    found = re.search(r"data-key>([^<]+)<", answer.content.decode())
    assert found
    bearer = {"authorization": f"Bearer {found[1]}"}
    assert client_for(acme).get("/api/v1/chat", headers=bearer).status_code == 200
    assert found[1] not in client.get("/settings/keys").content.decode()
    with entered(acme.scope):
        key = ApiKey.objects.get(name="Robot")
    path = f"/settings/keys/{key.pk}/revoke"
    assert client_for(acme, "stranger").post(path).status_code == 404
    assert client.post(path)["Location"] == "/settings/keys"
    assert client_for(acme).get("/api/v1/chat", headers=bearer).status_code == 401


def test_another_tenants_key_cannot_be_revoked(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    client_for(acme, "member").post("/settings/keys", {"name": "Robot"})
    with entered(acme.scope):
        key = ApiKey.objects.get(name="Robot")
    path = f"/settings/keys/{key.pk}/revoke"
    assert client_for(globex, "member").post(path).status_code == 404
    with entered(acme.scope):
        assert ApiKey.objects.filter(pk=key.pk).exists()


def test_signing_out_elsewhere_ends_my_other_sessions_and_nobody_elses(
    acme: Tenant, client_for: ClientFor
) -> None:
    here, there, theirs = client_for(acme), client_for(acme), client_for(acme)
    for client, name in ((here, "member"), (there, "member"), (theirs, "stranger")):
        sign_in(client, email_of(acme, name))
    page = here.get("/settings/sessions").content.decode()
    assert page.count("127.0.0.1") == 2
    assert page.count("this one") == 1
    here.post("/settings/sessions")
    assert here.get("/settings/sessions").status_code == 200
    assert there.get("/settings/sessions").status_code == 302
    assert theirs.get("/settings/sessions").status_code == 200
    with entered(acme.scope):
        assert UserSession.objects.filter(user=person(acme, "member")).count() == 1
        store = import_module(settings.SESSION_ENGINE).SessionStore()
        assert not store.exists(there.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.mark.parametrize("zone", ["", "Mars/Base", "..%2F..%2Fetc", "%00", "x" * 5000])
def test_a_zone_nobody_knows_is_utc(
    acme: Tenant, client_for: ClientFor, zone: str
) -> None:
    client = client_for(acme, "member")
    client.cookies[ZONE_COOKIE] = zone
    assert client.get("/settings").status_code == 200


def test_the_settings_have_a_page_that_lists_them(
    acme: Tenant, client_for: ClientFor
) -> None:
    page = client_for(acme, "member").get("/settings").content.decode()
    for path in ("profile", "appearance", "language", "keys", "sessions", "data"):
        assert f'href="/settings/{path}"' in page


def test_refusals_are_in_the_pages_language_and_for_programs_english(
    acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    client.cookies[COOKIE] = "system.normal.de"
    send = {"message": " "}
    refused = client.call("POST", "/api/v1/chat?render=html", send).json()
    assert refused == {"detail": "Die Nachricht ist leer.", "code": "invalid"}
    refused = client.call("POST", "/api/v1/chat", send).json()
    assert refused["detail"] == "The message is empty."
