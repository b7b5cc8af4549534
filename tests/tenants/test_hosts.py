"""The tenant of a request comes from its Host and from nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync

from tenants import hosts
from tenants.db import PUBLIC, entered
from tenants.models import Domain, Tenant
from tenants.services import set_status
from tests.clients import TenantClient
from tests.factories import make_key

ClientFor = Callable[..., TenantClient]
KEYS = "/api/v1/keys"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("acme.localhost", "acme.localhost"),
        ("acme.localhost:8000", "acme.localhost"),
        ("ACME.LocalHost", "acme.localhost"),
        ("acme.localhost.", "acme.localhost"),
        ("Acme.localhost.:8000", "acme.localhost"),
        (" acme.localhost ", "acme.localhost"),
        ("[::1]:8000", "[::1]:8000"),
        ("", ""),
    ],
)
def test_a_host_has_one_name(host: str, name: str) -> None:
    assert hosts.host_name(host) == name


@pytest.mark.parametrize(
    "host",
    ["acme.localhost:8000", "ACME.localhost", "acme.localhost.", "acme.localhost.:80"],
)
def test_port_case_and_trailing_dot_do_not_matter(
    host: str, acme: Tenant, client_for: ClientFor
) -> None:
    signed_in = client_for(acme, "member").cookies
    client = client_for(acme, host=host)
    client.cookies = signed_in
    assert client.get(KEYS).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "nobody.localhost",
        "acme.localhost.evil.test",
        "xacme.localhost",
        "acme_localhost",
        "127.0.0.1:8000",
        "[::1]:8000",
        "a" * 300,
        "acme.localhost\x00",
        "ünïcode.localhost",
        "acme.localhost, globex.localhost",
        "",
    ],
)
def test_an_unknown_host_is_404(host: str, acme: Tenant, client_for: ClientFor) -> None:
    key = make_key(acme, "member")
    client = client_for(acme)
    headers = {"host": host, "authorization": f"Bearer {key}"}
    answer = client.get(KEYS, headers=headers)
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_host"
    page = client.get("/", headers=headers)
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-host": "globex.localhost"},
        {"x-tenant": "globex"},
        {"origin": "http://globex.localhost"},
    ],
)
def test_nothing_else_names_a_tenant(
    headers: dict[str, str], acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    key = make_key(acme, "member")
    answer = client_for(acme).get(
        KEYS, headers={"authorization": f"Bearer {key}", **headers}
    )
    assert answer.status_code == 200
    assert answer.json()["count"] == 1


def test_a_suspended_tenant_is_403(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    client = client_for(acme, "member")
    set_status(tenant=acme, status=Tenant.Status.SUSPENDED)
    answer = client.get(KEYS)
    assert (answer.status_code, answer.json()["code"]) == (403, "tenant_suspended")
    for path in ("/", "/admin/", "/accounts/login/"):
        page = client.get(path)
        assert page.status_code == 403
        assert page.headers["Content-Type"].startswith("text/html")
    assert client_for(globex, "member").get(KEYS).status_code == 200
    set_status(tenant=acme, status=Tenant.Status.ACTIVE)
    assert client.get(KEYS).status_code == 200


def test_another_tenants_cookie_opens_nothing(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    stolen = client_for(acme, "member").cookies
    client = client_for(globex)
    client.cookies = stolen
    answer = client.get(KEYS)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert client.get("/").status_code == 302, "to the sign-in page"


def test_the_platform_host_has_no_tenant(acme: Tenant, client_for: ClientFor) -> None:
    platform = client_for(None)
    assert platform.get("/").status_code == 200
    answer = platform.get(KEYS)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    platform.cookies = client_for(acme, "owner").cookies
    assert platform.get("/admin/").status_code == 302


def test_tenants_have_no_platform_admin(acme: Tenant, client_for: ClientFor) -> None:
    assert client_for(acme, "owner").get("/admin/tenants/tenant/").status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["acme.localhost", "nobody.test", "10.0.0.1:8000"])
def test_probes_answer_on_any_host(path: str, host: str, client_for: ClientFor) -> None:
    answer = client_for(None, host=host).get(path)
    assert answer.status_code in {200, 503}
    assert "status" in answer.json()


def test_hosts_are_remembered_and_forgotten(inline_units: None, acme: Tenant) -> None:
    resolve = async_to_sync(hosts.resolve)
    assert resolve("late.localhost").scope is None
    with entered(PUBLIC):
        Domain.objects.create(domain="late.localhost", tenant=acme, is_primary=False)
    assert resolve("late.localhost").scope is None, "remembered for some seconds"
    hosts.forget()
    assert resolve("late.localhost").scope == acme.scope


def test_the_memory_of_hosts_is_bounded(
    inline_units: None, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "LIMIT", 10)
    for number in range(25):
        async_to_sync(hosts.resolve)(f"host{number}.test")
    assert len(hosts._known) == 10
