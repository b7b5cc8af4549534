"""What no address may be asked with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings

from tenants.models import Tenant
from tests.clients import TenantClient

ClientFor = Callable[..., TenantClient]


@pytest.mark.parametrize(
    "path",
    [
        "/admin/usage/usagerecord/?turn_id=%00",
        "/admin/usage/usagerecord/?model__exact=%00",
        "/admin/accounts/user/?role__exact=%00",
        "/admin/accounts/user/?q=a%00b",
        "/?before=%00",
        "/api/v1/chat?limit=%00",
    ],
)
def test_a_query_with_a_nul_is_refused(
    path: str, acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme, "owner").get(path)
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": "The address contains a NUL character.",
        "code": "bad_request",
    }
    assert answer.headers["X-Request-Id"]


def test_percent_signs_of_a_query_are_no_nul(
    acme: Tenant, client_for: ClientFor
) -> None:
    owner = client_for(acme, "owner")
    assert owner.get("/admin/accounts/user/?q=%2500").status_code == 200


@pytest.mark.parametrize(
    "path", ["/admin/usage/usagerecord/%00/change/", "/c/%00", "/static/%00"]
)
def test_no_address_has_a_nul(path: str, acme: Tenant, client_for: ClientFor) -> None:
    assert client_for(acme, "owner").get(path).status_code == 404


# As a browser would quote it: the first is a NUL.
KEYS = ['"\\000aaaaaaaaaaaa"', "short", "A" * 32, "a" * 41, "a" * 31 + "-"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("path", "status"), [("/", 302), ("/api/v1/keys", 401), ("/accounts/login/", 200)]
)
def test_what_is_no_key_is_no_session(
    key: str, path: str, status: int, acme: Tenant, client_for: ClientFor
) -> None:
    cookie = f"{settings.SESSION_COOKIE_NAME}={key}"
    answer = client_for(acme).get(path, headers={"cookie": cookie})
    assert answer.status_code == status
