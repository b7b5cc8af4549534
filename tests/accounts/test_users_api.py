"""/api/v1/users: what the admin's pages of people can do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import User
from accounts.services import create_user
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import PASSWORD, make_key, person

ClientFor = Callable[..., TenantClient]
LIST = "/api/v1/users"
NEW = {"email": "New@acme.test", "name": "Nina", "password": PASSWORD}


@pytest.fixture
def owner(acme: Tenant, client_for: ClientFor) -> TenantClient:
    return client_for(acme, "owner")


@pytest.fixture
def admin(acme: Tenant, client_for: ClientFor) -> TenantClient:
    """Not an owner."""
    with entered(acme.scope):
        create_user(email="admin@acme.test", role="admin")
    return client_for(acme, "admin")


def test_a_person_is_made_changed_and_switched_off(
    acme: Tenant, admin: TenantClient
) -> None:
    made = admin.call("POST", LIST, NEW)
    assert made.status_code == 201, made.content
    assert PASSWORD not in made.content.decode()
    row = f"{LIST}/{made.json()['id']}"
    assert made.json() == admin.call("GET", row).json()
    assert (made.json()["email"], made.json()["role"]) == ("new@acme.test", "member")
    change = {"role": "admin", "is_active": False, "password": "another-anchor-43"}
    changed = admin.call("PATCH", row, change).json()
    assert (changed["role"], changed["is_active"], changed["name"]) == (
        *("admin", False, "Nina"),
    )
    with entered(acme.scope):
        assert User.objects.get(name="Nina").check_password("another-anchor-43")
    listed = admin.call("GET", LIST).json()["results"]
    assert [each["email"] for each in listed][:2] == [
        *("admin@acme.test", "member@acme.test"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"email": "member@acme.test"},
        {"email": "none"},
        {"email": "a\u0000@acme.test"},
        {"role": "king"},
        {"password": "short"},
        {"password": ""},
        {"name": "x" * 151},
        {"is_active": "perhaps"},
        {"role": ["admin"]},
    ],
)
def test_what_is_wrong_is_refused(
    change: dict[str, object], acme: Tenant, owner: TenantClient
) -> None:
    assert owner.call("POST", LIST, NEW | change).status_code == 400
    row = f"{LIST}/{person(acme, 'stranger').pk}"
    before = owner.call("GET", row).json()
    assert owner.call("PATCH", row, change).status_code == 400
    assert owner.call("GET", row).json() == before


def test_only_owners_make_and_change_owners(
    acme: Tenant, owner: TenantClient, admin: TenantClient
) -> None:
    first = f"{LIST}/{person(acme, 'owner').pk}"
    member = f"{LIST}/{person(acme, 'member').pk}"
    for path, change in (
        (first, {"password": PASSWORD}),
        (first, {"name": "Mine now"}),
        (member, {"role": "owner"}),
    ):
        assert admin.call("PATCH", path, change).status_code == 403
    assert admin.call("POST", LIST, NEW | {"role": "owner"}).status_code == 403
    refused = owner.call("PATCH", first, {"role": "member"})
    assert "last active owner" in refused.json()["detail"]
    assert owner.call("PATCH", member, {"role": "owner"}).status_code == 200


def test_keys_of_others_are_seen_and_revoked(
    acme: Tenant, globex: Tenant, admin: TenantClient, client_for: ClientFor
) -> None:
    secret = make_key(acme, "member")
    keys = f"{LIST}/{person(acme, 'member').pk}/keys"
    listed = admin.call("GET", keys)
    [key] = listed.json()["results"]
    assert secret not in listed.content.decode() and secret.startswith(key["prefix"])
    stranger = f"{LIST}/{person(acme, 'stranger').pk}/keys"
    assert admin.call("DELETE", f"{stranger}/{key['id']}").status_code == 404
    other = client_for(globex, "owner")
    assert other.call("DELETE", f"{keys}/{key['id']}").status_code == 404
    assert admin.call("DELETE", f"{keys}/{key['id']}").status_code == 204
    answer = client_for(acme).get(LIST, headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", LIST),
        ("POST", LIST),
        ("GET", f"{LIST}/1"),
        ("PATCH", f"{LIST}/1"),
        ("GET", f"{LIST}/1/keys"),
        ("DELETE", f"{LIST}/1/keys/1"),
        ("GET", "/api/v1/settings/chat"),
        ("PATCH", "/api/v1/settings/chat"),
        ("GET", "/api/v1/settings/usage"),
        ("PATCH", "/api/v1/settings/usage"),
        ("GET", "/api/v1/share-events"),
    ],
)
def test_what_admins_manage_is_for_admins(
    method: str, path: str, acme: Tenant, client_for: ClientFor
) -> None:
    assert client_for(acme).call(method, path, {}).status_code == 401
    assert client_for(acme, "member").call(method, path, {}).status_code == 403


def test_another_tenants_people_are_not_there(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    with entered(globex.scope):
        ids = [create_user(email=f"more{n}@globex.test").pk for n in range(3)]
    assert (
        client_for(globex, "owner").call("GET", f"{LIST}/{ids[-1]}").status_code == 200
    )
    here = client_for(acme, "owner")
    assert here.call("GET", f"{LIST}/{ids[-1]}").status_code == 404
    assert "globex" not in here.call("GET", LIST).content.decode()


def test_absurd_numbers_are_not_found(owner: TenantClient) -> None:
    for number in ("0", "9" * 30):
        for path in (f"{LIST}/{number}", f"{LIST}/{number}/keys"):
            assert owner.call("GET", path).status_code == 404
