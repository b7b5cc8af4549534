"""/api/v1/providers and /api/v1/models: keys go in and never come out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from agents.models import Credential, Provider
from agents.resolving import resolve_model
from agents.services import create_provider
from llm.errors import ProviderKeyMissing
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient

ClientFor = Callable[..., TenantClient]
LIST = "/api/v1/providers"
MODELS = "/api/v1/models"
KEY = "sk-very-secret-0001"
BODY = {
    "name": "openai",
    "kind": "openai",
    "models": ["gpt-4o", "gpt-4o-mini"],
    "api_key": KEY,
}


@pytest.fixture
def owner_client(acme: Tenant, client_for: ClientFor) -> TenantClient:
    return client_for(acme, "owner")


@pytest.fixture
def openai(db: None, acme: Tenant) -> Provider:
    with entered(acme.scope):
        return create_provider(
            name="openai", kind="openai", models=["gpt-4o"], api_key=KEY
        )


def key_of(tenant: Tenant, model: str) -> str | None:
    with entered(tenant.scope):
        return resolve_model(model)[0].api_key


def test_a_provider_has_the_shape_of_the_contract(
    acme: Tenant, owner_client: TenantClient
) -> None:
    made = owner_client.call("POST", LIST, BODY)
    assert made.status_code == 201, made.content
    provider = made.json()
    assert provider.pop("id").isdecimal()
    assert provider.pop("key_updated_at")
    assert provider == {
        "name": "openai",
        "kind": "openai",
        "base_url": "",
        "models": ["gpt-4o", "gpt-4o-mini"],
        "disabled_models": [],
        "enabled": True,
        "lane": "openai",
        "has_key": True,
    }
    assert key_of(acme, "openai/gpt-4o") == KEY


def test_the_key_is_never_shown_and_never_stored_readable(
    acme: Tenant, owner_client: TenantClient
) -> None:
    made = owner_client.call("POST", LIST, BODY)
    url = f"{LIST}/{made.json()['id']}"
    answers = [
        made,
        owner_client.call("GET", url),
        owner_client.call("GET", LIST),
        owner_client.call("PATCH", url, {"enabled": False}),
        owner_client.call("POST", f"{url}/rotate", {"api_key": KEY}),
    ]
    for answer in answers:
        assert answer.status_code in {200, 201}
        assert KEY not in answer.content.decode()
    with entered(acme.scope):
        assert all(
            KEY not in stored
            for stored in Credential.objects.values_list("ciphertext", flat=True)
        )


def test_rotating_keeps_the_older_key_for_running_turns(
    acme: Tenant, owner_client: TenantClient, openai: Provider
) -> None:
    url = f"{LIST}/{openai.pk}"
    before = owner_client.call("GET", url).json()["key_updated_at"]
    rotated = owner_client.call("POST", f"{url}/rotate", {"api_key": "sk-new"})
    assert rotated.status_code == 200
    assert rotated.json()["key_updated_at"] > before
    assert key_of(acme, "openai/gpt-4o") == "sk-new"
    with entered(acme.scope):
        assert [c.version for c in openai.credentials.active()] == [2, 1]


def test_null_takes_the_key_away(
    acme: Tenant, owner_client: TenantClient, openai: Provider
) -> None:
    answer = owner_client.call("PATCH", f"{LIST}/{openai.pk}", {"api_key": None})
    assert (answer.json()["has_key"], answer.json()["key_updated_at"]) == (False, None)
    with entered(acme.scope):
        assert not openai.credentials.active().exists()


def test_a_key_does_not_follow_to_another_address(
    acme: Tenant, owner_client: TenantClient, openai: Provider
) -> None:
    url = f"{LIST}/{openai.pk}"
    moved = {"base_url": "http://127.0.0.1:9/v1"}
    answer = owner_client.call("PATCH", url, moved)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["api_key"])
    again = owner_client.call("PATCH", url, moved | {"api_key": "sk-again"})
    assert again.json()["base_url"] == moved["base_url"]
    assert key_of(acme, "openai/gpt-4o") == "sk-again"


def test_a_provider_is_changed_in_parts(
    owner_client: TenantClient, openai: Provider
) -> None:
    url = f"{LIST}/{openai.pk}"
    changed = owner_client.call("PATCH", url, {"models": ["b", "a", "b"]}).json()
    assert (changed["models"], changed["enabled"]) == (["b", "a"], True)
    assert changed["has_key"]
    answer = owner_client.call("PUT", url, {"name": "openai"})
    assert list(answer.json()["fields"]) == ["kind"]


def test_a_used_provider_keeps_its_name_and_stays(
    acme: Tenant, owner_client: TenantClient
) -> None:
    [local] = owner_client.call("GET", LIST).json()["results"]
    url = f"{LIST}/{local['id']}"
    deleted = owner_client.call("DELETE", url)
    assert (deleted.status_code, deleted.json()["code"]) == (409, "provider_in_use")
    assert "Assistant" in deleted.json()["detail"]
    renamed = owner_client.call("PATCH", url, {"name": "other"})
    assert (renamed.status_code, list(renamed.json()["fields"])) == (400, ["name"])


def test_an_unused_provider_is_deleted_with_its_keys(
    acme: Tenant, owner_client: TenantClient, openai: Provider
) -> None:
    assert owner_client.call("DELETE", f"{LIST}/{openai.pk}").status_code == 204
    with entered(acme.scope):
        assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "local"),  # taken
        ("name", "with/slash"),
        ("name", "a" * 51),
        ("kind", "nonesuch"),
        ("kind", "bedrock"),  # would use the operator's own account
        ("kind", ""),
        ("kind", None),
        ("base_url", "ftp://host"),
        ("base_url", "http://user:pass@host/v1"),
        ("base_url", "http://[::1"),
        ("base_url", "http://host:99999/v1"),
        ("base_url", "http://host/v1?key=1"),
        ("base_url", "http://a b"),
        ("base_url", "http://" + "a" * 500),
        ("models", "gpt-4o"),
        ("models", ["with space"]),
        ("models", ["a" * 151]),
        ("models", [{}]),
        ("models", [f"m{number}" for number in range(501)]),
        ("enabled", "perhaps"),
        ("api_key", ""),
        ("api_key", "two\nlines"),
        ("api_key", "ключ"),
        ("api_key", "a" * 2001),
    ],
)
def test_what_is_wrong_is_named(
    field: str, value: Any, owner_client: TenantClient
) -> None:
    answer = owner_client.call("POST", LIST, BODY | {field: value})
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["fields"]) == [field]
    assert owner_client.call("GET", LIST).json()["count"] == 1


@pytest.mark.parametrize("kind", ["openai_compatible", "ollama"])
def test_programs_of_ones_own_need_an_address(
    kind: str, owner_client: TenantClient
) -> None:
    body = {"name": "own", "kind": kind}
    refused = owner_client.call("POST", LIST, body)
    assert (refused.status_code, list(refused.json()["fields"])) == (400, ["base_url"])
    taken = owner_client.call("POST", LIST, body | {"base_url": "http://gpu:8000/v1"})
    assert taken.status_code == 201


def test_the_local_model_takes_no_address_and_no_key(
    owner_client: TenantClient,
) -> None:
    [local] = owner_client.call("GET", LIST).json()["results"]
    url = f"{LIST}/{local['id']}"
    for change in ({"base_url": "http://127.0.0.1/"}, {"api_key": "sk"}):
        answer = owner_client.call("PATCH", url, change)
        assert (answer.status_code, list(answer.json()["fields"])) == (
            400,
            list(change),
        )


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[fd00::1]"),
        *("[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "224.0.0.1"),
    ],
)
def test_private_addresses_are_refused_unless_allowed(
    host: str, owner_client: TenantClient, settings: Settings
) -> None:
    body = BODY | {"base_url": f"http://{host}:8000/v1"}
    settings.ALLOW_PRIVATE_ADDRESSES = False
    answer = owner_client.call("POST", LIST, body)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["base_url"])
    settings.ALLOW_PRIVATE_ADDRESSES = True
    assert owner_client.call("POST", LIST, body).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", LIST),
        ("POST", LIST),
        ("GET", f"{LIST}/1"),
        ("PUT", f"{LIST}/1"),
        ("PATCH", f"{LIST}/1"),
        ("DELETE", f"{LIST}/1"),
        ("POST", f"{LIST}/1/rotate"),
    ],
)
def test_providers_are_for_admins(
    method: str, path: str, acme: Tenant, client_for: ClientFor
) -> None:
    member = client_for(acme, "member").call(method, path, BODY)
    assert (member.status_code, member.json()["code"]) == (403, "forbidden")
    nobody = client_for(acme).call(method, path, BODY)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthenticated")


def test_another_tenants_provider_is_not_there(
    globex: Tenant, client_for: ClientFor, openai: Provider
) -> None:
    other = client_for(globex, "owner")
    url = f"{LIST}/{openai.pk}"
    asked = [("GET", url), ("PATCH", url), ("DELETE", url), ("POST", f"{url}/rotate")]
    for method, path in asked:
        answer = other.call(method, path, {"api_key": "sk"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("number", ["0", "9" * 19, "9" * 25, "9" * 5000])
def test_absurd_numbers_are_not_found(number: str, owner_client: TenantClient) -> None:
    for path in (f"{LIST}/{number}", f"{LIST}/{number}/rotate"):
        answer = owner_client.call("DELETE", path)
        assert answer.status_code in {404, 405}
    assert owner_client.call("GET", f"{LIST}/{number}").status_code == 404


def test_a_stored_key_is_worthless_in_another_tenant(
    acme: Tenant, globex: Tenant, openai: Provider
) -> None:
    with entered(acme.scope):
        ciphertext = Credential.objects.get().ciphertext
    with entered(globex.scope):
        stolen = create_provider(name="openai", kind="openai", models=["gpt-4o"])
        stolen.credentials.create(version=1, ciphertext=ciphertext)
    with pytest.raises(ProviderKeyMissing) as caught:
        key_of(globex, "openai/gpt-4o")
    assert "cannot be decrypted" in caught.value.detail


# ---------------------------------------------------------------------------- models


def test_members_see_the_models_they_can_use(
    acme: Tenant, client_for: ClientFor, openai: Provider
) -> None:
    with entered(acme.scope):
        create_provider(name="off", kind="openai", models=["a"], api_key=KEY)
        Provider.objects.filter(name="off").update(enabled=False)
        create_provider(name="keyless", kind="openai", models=["b"])
    listed = client_for(acme, "member").call("GET", MODELS).json()
    assert listed == {
        "count": 2,
        "next": None,
        "previous": None,
        "results": [
            {
                "id": "local/smollm2-135m",
                "provider": "local",
                "name": "smollm2-135m",
            },
            {"id": "openai/gpt-4o", "provider": "openai", "name": "gpt-4o"},
        ],
    }


def test_models_are_paged(
    acme: Tenant, client_for: ClientFor, openai: Provider
) -> None:
    page = client_for(acme, "member").call("GET", f"{MODELS}?limit=1&offset=1").json()
    assert [model["id"] for model in page["results"]] == ["openai/gpt-4o"]
    assert "limit=1" in json.dumps(page["previous"])


def test_models_are_a_tenants_own(
    acme: Tenant, globex: Tenant, client_for: ClientFor, openai: Provider
) -> None:
    assert client_for(globex, "member").call("GET", MODELS).json()["count"] == 1
    assert client_for(acme).call("GET", MODELS).status_code == 401
