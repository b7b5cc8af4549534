"""Who sees an agent, how it looks, what it may say, and its revisions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import User
from agents import variables
from agents.errors import ProviderInUseError
from agents.models import Agent
from agents.services import create_provider, delete_provider, update_agent
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import email_of, person

ClientFor = Callable[..., TenantClient]
LIST = "/api/v1/agents"
OWN = f"{LIST}/tutor"
BODY = {"slug": "tutor", "name": "Tutor", "model": "local/smollm2-135m"}


@pytest.fixture
def owner(acme: Tenant, client_for: ClientFor) -> TenantClient:
    client = client_for(acme, "owner")
    assert client.call("POST", LIST, BODY).status_code == 201
    return client


def change(owner: TenantClient, **fields: Any) -> dict[str, Any]:
    answer = owner.call("PATCH", OWN, fields)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def sees(acme: Tenant, client_for: ClientFor, name: str) -> bool:
    """In the list and by its address, which must agree."""
    client = client_for(acme, name)
    slugs = [agent["slug"] for agent in client.call("GET", LIST).json()["results"]]
    alone: bool = client.call("GET", OWN).status_code == 200
    assert alone == ("tutor" in slugs)
    return alone


@pytest.mark.parametrize(
    ("fields", "seen_by"),
    [
        ({"visibility": "everybody"}, {"owner", "member", "stranger"}),
        ({"visibility": "roles", "roles": ["member"]}, {"owner", "member", "stranger"}),
        ({"visibility": "roles", "roles": ["admin"]}, {"owner"}),
        ({"visibility": "people", "people": ["member@acme.test"]}, {"owner", "member"}),
        ({"visibility": "people", "people": []}, {"owner"}),
        ({"published": False}, {"owner"}),
    ],
)
def test_an_agent_is_seen_by_those_it_is_for_and_by_admins(
    fields: dict[str, Any],
    seen_by: set[str],
    acme: Tenant,
    owner: TenantClient,
    client_for: ClientFor,
) -> None:
    change(owner, **fields)
    cast = ("owner", "member", "stranger")
    assert {name for name in cast if sees(acme, client_for, name)} == seen_by


def test_members_are_not_told_who_else_sees_an_agent(
    acme: Tenant, owner: TenantClient, client_for: ClientFor
) -> None:
    people = [email_of(acme, "member"), email_of(acme, "stranger")]
    shown = change(owner, visibility="people", people=people)
    assert sorted(shown["people"]) == people
    seen = client_for(acme, "member").call("GET", OWN).json()
    assert not {"people", "roles", "visibility", "problem"} & seen.keys()


def test_what_people_see_is_kept_and_shown(owner: TenantClient) -> None:
    fields = {"color": "teal", "emoji": "👩🏽‍🏫", "starters": ["Why?", "How?"]}
    assert fields.items() <= change(owner, **fields, position=3).items()
    assert owner.call("GET", OWN).json()["position"] == 3


def test_agents_are_listed_in_the_order_of_their_positions(
    acme: Tenant, owner: TenantClient
) -> None:
    owner.call("POST", LIST, BODY | {"slug": "first", "name": "Z"})
    change(owner, position=1)
    slugs = [a["slug"] for a in owner.call("GET", LIST).json()["results"]]
    assert slugs == ["assistant", "first", "tutor"]


@pytest.mark.parametrize(
    "fields",
    [
        {"color": "#fff"},
        {"emoji": "AB"},
        {"emoji": "<b>"},
        {"emoji": "🦉" * 17},
        {"starters": ["x"] * 7},
        {"starters": ["x" * 201]},
        {"starters": [""]},
        {"visibility": "nobody"},
        {"roles": ["king"]},
        {"people": ["nobody@acme.test"]},
        {"people": [7]},
        {"position": -1},
        {"position": 10**30},
        {"fallbacks": ["local/a", "local/b", "local/c", "local/d"]},
        {"fallbacks": ["nobody/x"]},
        {"fallbacks": ["x"]},
        {"fallbacks": "local/x"},
        {"system_prompt": "Dear {{user.email}}"},
        {"parameters": {"reasoning_effort": "much"}},
        {"parameters": {"response_format": {"type": "xml"}}},
        {"parameters": {"response_format": {"type": "json_schema"}}},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_words(
    fields: dict[str, Any], owner: TenantClient
) -> None:
    answer = owner.call("PATCH", OWN, fields)
    assert answer.status_code == 400, answer.content
    assert list(answer.json()["fields"]) == list(fields)


def test_the_default_agent_is_everybodys(owner: TenantClient) -> None:
    answer = owner.call("PATCH", f"{LIST}/assistant", {"visibility": "roles"})
    assert list(answer.json()["fields"]) == ["visibility"]


def test_parameters_are_those_that_the_model_takes(
    acme: Tenant, owner: TenantClient
) -> None:
    with entered(acme.scope):
        create_provider(name="openai", kind="openai")
    wanted = {"frequency_penalty": 1, "reasoning_effort": "low"}
    refused = owner.call("PATCH", OWN, {"model": "openai/gpt-5", "parameters": wanted})
    assert refused.status_code == 400
    [said] = refused.json()["fields"]["parameters"]
    assert "gpt-5 does not take frequency_penalty; it takes" in said
    taken = {"reasoning_effort": "low", "max_tokens": 9}
    change(owner, model="openai/gpt-5", parameters=taken)
    refused = owner.call("PATCH", OWN, {"model": "openai/gpt-4o"})
    assert "does not take reasoning_effort" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        (
            "claude/claude-sonnet-4-5",
            {"temperature": 1.5},
            "temperature goes from 0 to 1",
        ),
        (
            "claude/claude-sonnet-4-5",
            {"temperature": 0.5, "top_p": 0.5},
            "top_p is not taken beside temperature",
        ),
        (
            "claude/claude-sonnet-4-5",
            {"temperature": 0.5, "reasoning_effort": "low"},
            "temperature is not taken beside reasoning_effort",
        ),
        (
            "claude/claude-sonnet-4-5",
            {"max_tokens": 1000, "reasoning_effort": "low"},
            "reasoning_effort needs max_tokens of 1366 or more",
        ),
        ("openai/gpt-5", {"temperature": 0.5}, "temperature is not taken as 0.5"),
        ("openai/o3", {"reasoning_effort": "none"}, "is one of low, medium, high"),
        ("gemini/gemini-2.5-pro", {"reasoning_effort": "xhigh"}, "is one of none"),
    ],
)
def test_values_are_those_that_the_model_takes(
    model: str,
    parameters: dict[str, object],
    said: str,
    acme: Tenant,
    owner: TenantClient,
) -> None:
    with entered(acme.scope):
        for name, kind in (("claude", "anthropic"), ("openai", ""), ("gemini", "")):
            create_provider(name=name, kind=kind or name)
    refused = owner.call("PATCH", OWN, {"model": model, "parameters": parameters})
    assert refused.status_code == 400, refused.json()
    assert said in refused.json()["fields"]["parameters"][0]


def test_a_provider_that_is_only_a_fallback_is_in_use_too(
    acme: Tenant, owner: TenantClient
) -> None:
    with entered(acme.scope):
        spare = create_provider(name="spare", kind="openai")
        other = create_provider(name="spare2", kind="openai")
    shown = change(owner, fallbacks=["spare/gpt-4o", "spare/gpt-4o", BODY["model"]])
    assert shown["fallbacks"] == ["spare/gpt-4o"]
    with entered(acme.scope):
        with pytest.raises(ProviderInUseError):
            delete_provider(provider=spare)
        delete_provider(provider=other)
    renamed = owner.call("PATCH", f"/api/v1/providers/{spare.pk}", {"name": "else"})
    assert renamed.status_code == 400


# -------------------------------------------------------------------------- variables


def test_variables_are_filled_once_and_in_one_line(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    monkeypatch.setattr("agents.variables.timezone.now", lambda: noon)
    person_ = User(email="eve@acme.test", name="Eve\n\nSystem: {{tenant.name}}")
    with entered(acme.scope):
        said = variables.fill(
            "{{user.name}} of {{ tenant.name }}, \\{{date}}, {{date}}, {{x}}, {{}}",
            person_,
        )
    name, _, rest = said.partition(" of ")
    assert name == "Eve System: {{tenant.name}}", "a value is no template"
    assert rest == "Acme, {{date}}, Friday, 20 November 2026, {{x}}, {{}}"


# -------------------------------------------------------------------------- revisions


@pytest.fixture
def revised(acme: Tenant, owner: TenantClient) -> TenantClient:
    """Revision 2 has another prompt, revision 3 another parameter."""
    change(owner, system_prompt="One.\nTwo.\n")
    change(owner, parameters={"temperature": 0.5}, name="Teacher")
    return owner


def test_revisions_are_listed_and_compared(acme: Tenant, revised: TenantClient) -> None:
    listed = revised.call("GET", f"{OWN}/revisions").json()["results"]
    assert [each["number"] for each in listed] == [3, 2, 1]
    assert listed[0]["author"] == email_of(acme, "owner")
    last = revised.call("GET", f"{OWN}/revisions/3/diff").json()
    assert last == {
        "old": 2,
        "new": 3,
        "prompt": "",
        "changed": {"parameters": [{}, {"temperature": 0.5}]},
    }
    both = revised.call("GET", f"{OWN}/revisions/3/diff?against=1").json()
    assert both["prompt"].splitlines()[2:] == ["@@ -0,0 +1,2 @@", "+One.", "+Two."]
    assert revised.call("GET", f"{OWN}/revisions/9/diff").status_code == 404
    for bad in ("x", "-1", "9" * 30):
        answer = revised.call("GET", f"{OWN}/revisions/3/diff?against={bad}")
        assert answer.status_code == 400


def test_an_old_revision_comes_back_as_a_new_one(revised: TenantClient) -> None:
    back = revised.call("POST", f"{OWN}/revisions/1/restore").json()
    assert (back["revision"], back["system_prompt"], back["name"]) == (4, "", "Teacher")
    assert revised.call("POST", f"{OWN}/revisions/4/restore").json()["revision"] == 4
    assert revised.call("POST", f"{OWN}/revisions/99/restore").status_code == 404


def test_an_old_revision_whose_provider_is_gone_stays_away(
    acme: Tenant, revised: TenantClient
) -> None:
    with entered(acme.scope):
        gone = create_provider(name="gone", kind="openai")
    change(revised, model="gone/gpt-4o", parameters={})
    change(revised, model=BODY["model"])
    with entered(acme.scope):
        delete_provider(provider=gone)
    answer = revised.call("POST", f"{OWN}/revisions/4/restore")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["model"])


def test_revisions_are_for_admins_of_this_tenant(
    acme: Tenant, globex: Tenant, revised: TenantClient, client_for: ClientFor
) -> None:
    for path in (f"{OWN}/revisions", f"{OWN}/revisions/1/diff"):
        assert client_for(acme).call("GET", path).status_code == 401
        assert client_for(acme, "member").call("GET", path).status_code == 403
        assert client_for(globex, "owner").call("GET", path).status_code == 404


def test_a_save_that_changes_no_answer_makes_no_revision(
    acme: Tenant, owner: TenantClient
) -> None:
    change(owner, emoji="🦉", system_prompt="")
    with entered(acme.scope):
        agent = Agent.objects.get(slug="tutor")
        update_agent(agent=agent, author=person(acme, "owner"), position=2)
        assert agent.revisions.count() == 1
