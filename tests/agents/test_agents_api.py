"""/api/v1/agents: members read what is published, admins write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from agents.services import create_agent
from chat.models import Conversation
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import person

ClientFor = Callable[..., TenantClient]
LIST = "/api/v1/agents"
MODEL = "local/smollm2-135m"
BODY = {
    "slug": "tutor",
    "name": "Tutor",
    "description": "Explains.",
    "system_prompt": "  Explain.\n",
    "model": MODEL,
    "parameters": {"temperature": 0.5, "max_tokens": 100},
}


@pytest.fixture
def owner_client(acme: Tenant, client_for: ClientFor) -> TenantClient:
    return client_for(acme, "owner")


@pytest.fixture
def hidden(db: None, acme: Tenant) -> Agent:
    with entered(acme.scope):
        return create_agent(slug="draft", name="Draft", model=MODEL, published=False)


def test_an_agent_has_the_shape_of_the_contract(
    acme: Tenant, owner_client: TenantClient
) -> None:
    made = owner_client.call("POST", LIST, BODY)
    assert made.status_code == 201, made.content
    agent = made.json()
    assert agent.pop("id").isdecimal()
    assert agent == BODY | {
        "tools": [],
        "fallbacks": [],
        "color": "slate",
        "emoji": "",
        "starters": [],
        "position": 0,
        "visibility": "everybody",
        "roles": [],
        "people": [],
        "problem": "",
        "is_default": False,
        "published": True,
        "revision": 1,
    }


def test_the_default_comes_first(acme: Tenant, owner_client: TenantClient) -> None:
    owner_client.call("POST", LIST, BODY | {"name": "A first name"})
    listed = owner_client.call("GET", LIST).json()
    assert [agent["slug"] for agent in listed["results"]] == ["assistant", "tutor"]
    assert set(listed) == {"count", "next", "previous", "results"}


@pytest.mark.parametrize("by", ["id", "slug"])
def test_an_agent_is_found_by_id_and_by_slug(
    by: str, acme: Tenant, client_for: ClientFor
) -> None:
    member = client_for(acme, "member")
    [agent] = member.call("GET", LIST).json()["results"]
    assert member.call("GET", f"{LIST}/{agent[by]}").json() == agent


def test_members_see_no_unpublished_agent(
    acme: Tenant, client_for: ClientFor, owner_client: TenantClient, hidden: Agent
) -> None:
    member = client_for(acme, "member")
    assert member.call("GET", LIST).json()["count"] == 1
    assert owner_client.call("GET", LIST).json()["count"] == 2
    for reference in (hidden.slug, hidden.pk):
        assert member.call("GET", f"{LIST}/{reference}").status_code == 404
        assert owner_client.call("GET", f"{LIST}/{reference}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", LIST),
        ("PUT", f"{LIST}/assistant"),
        ("PATCH", f"{LIST}/assistant"),
        ("DELETE", f"{LIST}/assistant"),
    ],
)
def test_members_cannot_write(
    method: str, path: str, acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme, "member").call(method, path, BODY)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", [LIST, f"{LIST}/assistant"])
def test_nobody_reads_without_signing_in(
    path: str, acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme).call("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_another_tenants_agent_is_not_there(
    acme: Tenant, globex: Tenant, client_for: ClientFor, hidden: Agent
) -> None:
    other = client_for(globex, "owner")
    for method in ("GET", "PATCH", "DELETE"):
        for reference in (hidden.pk, hidden.slug):
            answer = other.call(method, f"{LIST}/{reference}", {})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    with entered(acme.scope):
        assert Agent.objects.filter(pk=hidden.pk).exists()


def test_a_change_of_the_answer_makes_a_revision(owner_client: TenantClient) -> None:
    owner_client.call("POST", LIST, BODY)
    url = f"{LIST}/tutor"
    named = owner_client.call("PATCH", url, {"name": "Teacher"}).json()
    assert (named["name"], named["revision"]) == ("Teacher", 1)
    assert owner_client.call("PATCH", url, {"model": MODEL}).json()["revision"] == 1
    changed = owner_client.call("PATCH", url, {"parameters": {"top_p": 0.9}}).json()
    assert (changed["parameters"], changed["revision"]) == ({"top_p": 0.9}, 2)
    assert changed["system_prompt"] == BODY["system_prompt"]
    prompt = owner_client.call("PATCH", url, {"system_prompt": "Other."}).json()
    assert (prompt["system_prompt"], prompt["revision"]) == ("Other.", 3)
    assert owner_client.call("PUT", url, BODY).json()["revision"] == 4
    assert owner_client.call("GET", url).json()["name"] == "Tutor"


def test_put_needs_the_whole_agent(owner_client: TenantClient) -> None:
    answer = owner_client.call("PUT", f"{LIST}/assistant", {"name": "Only a name"})
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == {"slug", "model"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "assistant"),  # taken
        ("slug", "42"),  # would be read as an id
        ("slug", "with space"),
        ("slug", "a" * 51),
        ("name", "a" * 101),
        ("name", ""),
        ("name", None),
        ("description", "a" * 1001),
        ("system_prompt", "a" * 100_001),
        ("model", "no-slash"),
        ("model", "nobody/gpt"),
        ("model", "local/" + "a" * 300),
        ("parameters", {"temperature": 3}),
        ("parameters", {"temperature": "warm"}),
        ("parameters", {"api_base": "http://127.0.0.1"}),
        ("parameters", []),
        ("published", "perhaps"),
        ("is_default", {}),
    ],
)
def test_what_is_wrong_is_named(
    field: str, value: Any, owner_client: TenantClient
) -> None:
    answer = owner_client.call("POST", LIST, BODY | {field: value})
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["fields"]) == [field]
    assert answer.json()["detail"].startswith(field)
    assert owner_client.call("GET", LIST).json()["count"] == 1


def test_another_agent_becomes_the_default(owner_client: TenantClient) -> None:
    owner_client.call("POST", LIST, BODY | {"is_default": True})
    agents = owner_client.call("GET", LIST).json()["results"]
    assert [(a["slug"], a["is_default"]) for a in agents] == [
        ("tutor", True),
        ("assistant", False),
    ]
    owner_client.call("PATCH", f"{LIST}/assistant", {"is_default": True})
    tutor = owner_client.call("GET", f"{LIST}/tutor").json()
    assert not tutor["is_default"]


@pytest.mark.parametrize("change", [{"published": False}, {"is_default": False}])
def test_the_default_agent_stays_published_and_the_default(
    change: dict[str, bool], owner_client: TenantClient
) -> None:
    answer = owner_client.call("PATCH", f"{LIST}/assistant", change)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, list(change))
    hidden = BODY | {"published": False, "is_default": True}
    assert owner_client.call("POST", LIST, hidden).status_code == 400


def test_an_unused_agent_is_deleted(
    acme: Tenant, owner_client: TenantClient, hidden: Agent
) -> None:
    assert owner_client.call("DELETE", f"{LIST}/draft").status_code == 204
    assert owner_client.call("GET", f"{LIST}/draft").status_code == 404


def test_the_default_agent_is_not_deleted(owner_client: TenantClient) -> None:
    answer = owner_client.call("DELETE", f"{LIST}/assistant")
    assert (answer.status_code, answer.json()["code"]) == (409, "default_agent")
    assert owner_client.call("GET", f"{LIST}/assistant").status_code == 200


def test_an_agent_with_conversations_is_not_deleted(
    acme: Tenant, owner_client: TenantClient, hidden: Agent
) -> None:
    with entered(acme.scope):
        Conversation.objects.create(owner=person(acme, "member"), agent=hidden)
    answer = owner_client.call("DELETE", f"{LIST}/draft")
    assert (answer.status_code, answer.json()["code"]) == (409, "agent_in_use")
    assert owner_client.call("GET", f"{LIST}/draft").status_code == 200


@pytest.mark.parametrize("reference", ["9" * 18, "9" * 19, "9" * 5000, "none", "a%00b"])
def test_absurd_references_are_not_found(
    reference: str, owner_client: TenantClient
) -> None:
    answer = owner_client.call("GET", f"{LIST}/{reference}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", ["[]", '"text"', "{", "null", '{"slug": "\\u0000"}'])
def test_bodies_that_are_no_object_are_refused(
    body: str, owner_client: TenantClient
) -> None:
    answer = owner_client.post(LIST, body, content_type="application/json")
    assert answer.status_code == 400
    assert set(answer.json()) <= {"detail", "code", "fields"}
