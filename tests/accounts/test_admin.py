"""The tenant's admin: who gets in, people, and keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import ApiKey, User
from tenants.db import PUBLIC, entered
from tenants.models import Tenant
from tests.clients import TenantClient, form_errors
from tests.factories import PASSWORD, email_of, make_key, person

ClientFor = Callable[..., TenantClient]
PEOPLE = "/admin/accounts/user"
SIGN_IN = "/accounts/login/?next=/admin/"
PLATFORM_SIGN_IN = "/admin/login/?next=/admin/"


@pytest.fixture
def admin(acme: Tenant, client_for: ClientFor) -> TenantClient:
    return client_for(acme, "owner")


def change(tenant: Tenant, client: TenantClient, whom: str, **changes: str) -> Any:
    """Posts the form of one of the cast, changed in parts."""
    user = person(tenant, whom)
    form = {"email": user.email, "name": "", "role": user.role, "is_active": "on"}
    return client.post(f"{PEOPLE}/{user.pk}/change/", form | changes)


@pytest.mark.parametrize("username", ["owner@acme.test", "OWNER@Acme.Test"])
def test_the_owner_signs_in_by_e_mail(
    username: str, acme: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme)
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == (
        "/accounts/login/?next=%2Fadmin%2F"
    )
    answer = client.post(SIGN_IN, {"login": username, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_the_tenants_admin_takes_no_password_itself(
    acme: Tenant, client_for: ClientFor
) -> None:
    """Its own form would be a second door, where nobody counts."""
    client = client_for(acme)
    form = {"username": email_of(acme, "owner"), "password": PASSWORD}
    answer = client.post("/admin/login/?next=/admin/", form)
    assert answer["Location"].startswith("/accounts/login/")
    assert client.get("/admin/").status_code == 302


def test_wrong_passwords_are_counted(acme: Tenant, client_for: ClientFor) -> None:
    client = client_for(acme)
    login = email_of(acme, "owner")
    for _ in range(5):
        client.post(SIGN_IN, {"login": login, "password": "wrong"})
    answer = client.post(SIGN_IN, {"login": login, "password": PASSWORD})
    assert "Too many" in answer.content.decode()


@pytest.mark.parametrize("name", ["member", "stranger"])
def test_members_do_not_get_in(name: str, acme: Tenant, client_for: ClientFor) -> None:
    answer = client_for(acme, name).get("/admin/", follow=True)
    assert answer.status_code == 403


def test_another_tenants_owner_does_not_get_in(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(globex).post(
        SIGN_IN, {"login": email_of(acme, "owner"), "password": PASSWORD}
    )
    assert answer.status_code == 200
    stolen = client_for(acme, "owner").cookies
    other = client_for(globex)
    other.cookies = stolen
    assert other.get("/admin/").status_code == 302


def test_every_page_of_the_admin_opens(acme: Tenant, admin: TenantClient) -> None:
    make_key(acme, "member")
    index = admin.get("/admin/").content.decode()
    pages = set(re.findall(r'href="(/admin/[a-z]+/[a-z]+/)"', index))
    assert {f"{PEOPLE}/", "/admin/accounts/apikey/"} <= pages
    for page in pages:
        shown = admin.get(page)
        if shown.status_code == 302:  # settings have one row, and no list
            shown = admin.get(shown["Location"])
        assert shown.status_code == 200, page
        if f'"{page}add/"' in shown.content.decode():
            assert admin.get(f"{page}add/").status_code == 200, page
    for page in ("/admin/auth/group/", "/admin/account/emailaddress/"):
        assert page not in pages
        assert admin.get(page).status_code == 404


def test_a_person_is_made_with_a_password(
    acme: Tenant, admin: TenantClient, client_for: ClientFor
) -> None:
    answer = admin.post(
        f"{PEOPLE}/add/",
        {
            "email": "New@acme.test",
            "name": "New",
            "role": "admin",
            "usable_password": "true",
            "password1": "harbour-quilt-17",
            "password2": "harbour-quilt-17",
        },
    )
    assert answer.status_code == 302, form_errors(answer)
    signed_in = client_for(acme).post(
        SIGN_IN, {"login": "new@acme.test", "password": "harbour-quilt-17"}
    )
    assert signed_in.status_code == 302


def test_an_address_is_taken_in_any_case(acme: Tenant, admin: TenantClient) -> None:
    form = {"email": "MEMBER@acme.test", "role": "member", "usable_password": "false"}
    assert form_errors(admin.post(f"{PEOPLE}/add/", form))


def test_a_password_is_set_by_an_admin(
    acme: Tenant, admin: TenantClient, client_for: ClientFor
) -> None:
    member = person(acme, "member")
    url = f"{PEOPLE}/{member.pk}/password/"
    assert admin.get(url).status_code == 200
    new = "harbour-quilt-17"
    form = {"usable_password": "true", "password1": new, "password2": new}
    answer = admin.post(url, form | {"set-password": ""})
    assert answer.status_code == 302, form_errors(answer)
    with entered(acme.scope):
        assert person(acme, "member").check_password(new)
        assert new not in person(acme, "member").password


def test_a_person_is_changed(acme: Tenant, admin: TenantClient) -> None:
    answer = change(acme, admin, "member", role="admin", name="Meg")
    assert answer.status_code == 302, form_errors(answer)
    member = person(acme, "member")
    assert (member.role, member.name) == ("admin", "Meg")
    assert member.check_password(PASSWORD)


@pytest.mark.parametrize("changes", [{"role": "member"}, {"is_active": ""}])
def test_the_last_owner_stays(
    changes: dict[str, str], acme: Tenant, admin: TenantClient
) -> None:
    [error] = form_errors(change(acme, admin, "owner", **changes))
    assert "last active owner" in error
    owner = person(acme, "owner")
    assert (owner.role, owner.is_active) == ("owner", True)
    change(acme, admin, "stranger", role="owner")
    assert change(acme, admin, "owner", **changes).status_code == 302


def test_admins_can_neither_change_owners_nor_make_them(
    acme: Tenant, client_for: ClientFor
) -> None:
    with entered(acme.scope):
        User.objects.filter(email=email_of(acme, "member")).update(role="admin")
    client = client_for(acme, "member")
    assert change(acme, client, "owner", name="Mine").status_code == 403
    owner = person(acme, "owner")
    assert client.post(f"{PEOPLE}/{owner.pk}/password/", {}).status_code == 403
    assert form_errors(change(acme, client, "stranger", role="owner"))
    assert change(acme, client, "stranger", role="admin").status_code == 302


def test_nobody_is_deleted(acme: Tenant, admin: TenantClient) -> None:
    member = person(acme, "member")
    answer = admin.post(f"{PEOPLE}/{member.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 403
    assert person(acme, "member") == member


def test_keys_are_listed_without_secrets_and_revoked(
    acme: Tenant, admin: TenantClient
) -> None:
    secret = make_key(acme, "member")
    with entered(acme.scope):
        key = ApiKey.objects.get()
    url = f"/admin/accounts/apikey/{key.pk}"
    for page in ("/admin/accounts/apikey/", f"{url}/change/", f"{url}/delete/"):
        shown = admin.get(page).content.decode()
        assert secret not in shown
        assert key.digest not in shown
    assert admin.post(f"{url}/delete/", {"post": "yes"}).status_code == 302
    with entered(acme.scope):
        assert not ApiKey.objects.exists()


# ------------------------------------------------------------------- the platform host


@pytest.fixture
def platform(client_for: ClientFor) -> TenantClient:
    with entered(PUBLIC):
        User.objects.create_user("root@platform.test", PASSWORD, role="owner")
    client = client_for(None)
    answer = platform_sign_in(client, "root@platform.test", PASSWORD)
    assert answer.status_code == 302, answer.content
    return client


def platform_sign_in(client: TenantClient, name: str, password: str) -> Any:
    form = {"username": name, "password": password}
    return client.post(PLATFORM_SIGN_IN, form)


def test_the_platform_counts_wrong_passwords_by_name(
    platform: TenantClient, client_for: ClientFor
) -> None:
    with entered(PUBLIC):
        User.objects.create_user("two@platform.test", PASSWORD, role="owner")
    guesser = client_for(None)
    for name in ("root@platform.test", "ROOT@platform.test") * 2:
        assert platform_sign_in(guesser, name, "wrong").status_code == 200
    answer = platform_sign_in(client_for(None), "root@platform.test", PASSWORD)
    assert answer.status_code == 302, "four wrong ones are forgiven, and forgotten"
    for _ in range(5):
        platform_sign_in(guesser, "root@platform.test", "wrong")
    answer = platform_sign_in(guesser, "Root@platform.test", PASSWORD)
    assert "Too many attempts" in answer.content.decode()
    assert platform.get("/admin/").status_code == 200, "who is in stays in"
    answer = platform_sign_in(guesser, "two@platform.test", PASSWORD)
    assert answer.status_code == 302


def test_every_page_of_the_platforms_admin_opens(platform: TenantClient) -> None:
    index = platform.get("/admin/").content.decode()
    pages = set(re.findall(r'href="(/admin/[a-z]+/[a-z]+/(?:add/)?)"', index))
    assert {f"{PEOPLE}/", "/admin/tenants/tenant/"} <= pages
    for page in pages:
        assert platform.get(page).status_code == 200, page


def test_platform_admins_are_no_members_and_members_no_platform_admins(
    acme: Tenant, platform: TenantClient, client_for: ClientFor
) -> None:
    people = platform.get(f"{PEOPLE}/").content.decode()
    assert "root@platform.test" in people
    assert email_of(acme, "owner") not in people
    answer = platform_sign_in(client_for(None), "owner@acme.test", PASSWORD)
    assert answer.status_code == 200
    form = {"login": "root@platform.test", "password": PASSWORD}
    assert client_for(acme).post(SIGN_IN, form).status_code == 200


def test_a_platform_admin_suspends_a_tenant(
    acme: Tenant, platform: TenantClient, client_for: ClientFor
) -> None:
    assert client_for(acme, "member").get("/api/v1/keys").status_code == 200
    form = {"action": "suspend", "_selected_action": str(acme.pk)}
    assert platform.post("/admin/tenants/tenant/", form).status_code == 302
    assert client_for(acme, "member").get("/api/v1/keys").status_code == 403


def test_a_platform_admin_makes_a_tenant(
    platform: TenantClient, client_for: ClientFor
) -> None:
    answer = platform.post(
        "/admin/tenants/tenant/add/",
        {
            "slug": "initech",
            "name": "Initech",
            "domain": "",
            "owner_email": "owner@initech.test",
            "owner_password": PASSWORD,
        },
    )
    assert answer.status_code == 302, form_errors(answer)
    initech = Tenant(slug="initech", schema_name="t_initech")
    signed_in = client_for(initech).post(
        SIGN_IN, {"login": "owner@initech.test", "password": PASSWORD}
    )
    assert signed_in.status_code == 302
