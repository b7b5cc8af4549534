"""The settings of a workspace and its log of sharing, by the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents.services import create_provider
from chat.models import ChatSettings, ShareEvent
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from usage.models import UsageSettings

CHAT, USAGE = "/api/v1/settings/chat", "/api/v1/settings/usage"


@pytest.fixture
def owner(acme: Tenant, client_for: Callable[..., TenantClient]) -> TenantClient:
    return client_for(acme, "owner")


def test_settings_are_kept(acme: Tenant, owner: TenantClient) -> None:
    with entered(acme.scope):
        create_provider(name="openai", kind="openai", models=["gpt-4o"], api_key="sk-1")
    chosen = {"title_model": "openai/gpt-4o", "search_language": "german"}
    changed = owner.call("PATCH", CHAT, chosen)
    assert changed.status_code == 200, changed.content
    assert changed.json() == owner.call("GET", CHAT).json()
    assert changed.json() == {
        **chosen,
        "purge_archived_after_days": None,
        "link_shares": False,
    }
    limits = {"user_streams": 3, "time_zone": "Europe/Berlin"}
    assert owner.call("PATCH", USAGE, limits).json().items() >= limits.items()
    assert owner.call("PATCH", USAGE, {"user_streams": None}).status_code == 200
    with entered(acme.scope):
        assert ChatSettings.current().search_language == "german"
        assert UsageSettings.current().time_zone == "Europe/Berlin"
        assert UsageSettings.current().user_streams is None


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (CHAT, {"search_language": "klingon"}),
        (CHAT, {"title_model": "nobody/x"}),
        (CHAT, {"purge_archived_after_days": 0}),
        (CHAT, {"purge_archived_after_days": 10**30}),
        (CHAT, {"link_shares": "perhaps"}),
        (USAGE, {"time_zone": "Mars/Base"}),
        (USAGE, {"user_streams": -1}),
        (USAGE, {"tenant_streams": 10**30}),
        (USAGE, {"alert_mail": None}),
    ],
)
def test_what_makes_no_sense_is_refused(
    path: str, change: dict[str, object], owner: TenantClient
) -> None:
    before = owner.call("GET", path).json()
    refused = owner.call("PATCH", path, change)
    assert refused.status_code == 400, refused.content
    assert list(refused.json()["fields"]) == list(change)
    assert owner.call("GET", path).json() == before


def test_the_log_of_sharing_is_read(acme: Tenant, owner: TenantClient) -> None:
    with entered(acme.scope):
        for whom in ("first", "second"):
            ShareEvent.objects.create(
                action="shared", actor="a", whom=whom, role="viewer"
            )
    listed = owner.call("GET", "/api/v1/share-events").json()
    assert [row["whom"] for row in listed["results"]] == ["second", "first"]
    assert owner.call("POST", "/api/v1/share-events", {}).status_code == 405
