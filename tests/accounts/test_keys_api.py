"""/api/v1/keys, and what a key opens."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import ApiKey
from accounts.services import create_api_key
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import make_key, person

ClientFor = Callable[..., TenantClient]
LIST = "/api/v1/keys"


def bearer(client: TenantClient, key: str, path: str = LIST) -> int:
    answer = client.get(path, headers={"authorization": f"Bearer {key}"})
    return int(answer.status_code)


def test_a_key_is_shown_once_and_works(acme: Tenant, client_for: ClientFor) -> None:
    member = client_for(acme, "member")
    made = member.call("POST", LIST, {"name": "laptop"})
    assert made.status_code == 201, made.content
    shape = {"id", "name", "prefix", "created_at", "last_used_at"}
    assert set(made.json()) == shape | {"key"}
    key = made.json()["key"]
    assert key.startswith(made.json()["prefix"])
    assert bearer(client_for(acme), key) == 200
    listed = member.call("GET", LIST)
    assert key not in listed.content.decode()
    [shown] = listed.json()["results"]
    assert set(shown) == shape
    assert (shown["name"], shown["id"]) == ("laptop", made.json()["id"])
    assert shown["last_used_at"]


def test_a_revoked_key_opens_nothing(acme: Tenant, client_for: ClientFor) -> None:
    member = client_for(acme, "member")
    made = member.call("POST", LIST, {}).json()
    assert member.call("DELETE", f"{LIST}/{made['id']}").status_code == 204
    assert bearer(client_for(acme), made["key"]) == 401
    assert member.call("DELETE", f"{LIST}/{made['id']}").status_code == 404


def test_keys_are_ones_own(acme: Tenant, client_for: ClientFor) -> None:
    key = make_key(acme, "member")
    with entered(acme.scope):
        pk = ApiKey.objects.get().pk
    for name in ("stranger", "owner"):
        other = client_for(acme, name)
        assert other.call("GET", LIST).json()["count"] == 0
        assert other.call("DELETE", f"{LIST}/{pk}").status_code == 404
    assert bearer(client_for(acme), key) == 200


def test_another_tenants_key_opens_nothing(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    key = make_key(acme, "member")
    assert bearer(client_for(globex), key) == 401
    with entered(acme.scope):
        pk = ApiKey.objects.get().pk
    answer = client_for(globex, "member").call("DELETE", f"{LIST}/{pk}")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("GET", LIST), ("POST", LIST), ("DELETE", f"{LIST}/1")]
)
def test_nobody_has_no_keys(
    method: str, path: str, acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme).call(method, path, {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer parley_wrong",
        "Bearer parley_0123456789abcdef0123456789abcdef",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 5000,
        "Basic dXNlcjpwYXNz",
    ],
)
def test_a_bad_key_is_401_and_never_a_redirect(
    header: str, acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme).get(LIST, headers={"authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_with_the_right_beginning_is_not_enough(
    acme: Tenant, client_for: ClientFor
) -> None:
    key = make_key(acme, "member")
    assert bearer(client_for(acme), key[:-1] + ("0" if key[-1] != "0" else "1")) == 401


def test_a_switched_off_person_has_no_key(acme: Tenant, client_for: ClientFor) -> None:
    key = make_key(acme, "member")
    with entered(acme.scope):
        member = person(acme, "member")
        member.is_active = False
        member.save()
    assert bearer(client_for(acme), key) == 401


@pytest.mark.parametrize("name", ["a" * 101, {}, None])
def test_a_bad_name_is_refused(
    name: object, acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme, "member").call("POST", LIST, {"name": name})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["name"])


@pytest.mark.parametrize("number", ["0", "9" * 19, "9" * 30, "9" * 5000, "x"])
def test_absurd_numbers_are_not_found(
    number: str, acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme, "member").call("DELETE", f"{LIST}/{number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_time_of_use_is_written_once_a_minute(
    acme: Tenant, client_for: ClientFor
) -> None:
    with entered(acme.scope):
        row, key = create_api_key(user=person(acme, "member"))
    bearer(client_for(acme), key)
    with entered(acme.scope):
        row.refresh_from_db()
        first = row.last_used_at
    bearer(client_for(acme), key)
    with entered(acme.scope):
        row.refresh_from_db()
        assert first is not None
        assert row.last_used_at == first


def test_a_page_of_another_site_cannot_use_the_session(
    acme: Tenant, client_for: ClientFor
) -> None:
    member = client_for(acme, "member", enforce_csrf_checks=True)
    answer = member.call("POST", LIST, {})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
