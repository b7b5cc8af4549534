"""Providers and agents in the tenant's admin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils.html import escape
from pytest_django import Settings

from agents.mcp.resolving import address_of
from agents.models import Agent, McpServer, Provider
from agents.parameters import validate_parameters
from agents.resolving import resolve_model
from agents.services import create_agent, create_provider
from chat.models import Conversation
from llm.lanes import Lane
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient, form_errors
from tests.factories import person

ClientFor = Callable[..., TenantClient]
KEY = "sk-very-secret-0001"
MODEL = "local/smollm2-135m"
PROVIDERS = "/admin/agents/provider"
AGENTS = "/admin/agents/agent"
PROVIDER = {
    "name": "openai",
    "kind": "openai",
    "base_url": "",
    "models": "gpt-4o\n\n gpt-4o-mini ",
    "enabled": "on",
    "api_key": KEY,
}
AGENT = {
    "name": "Tutor",
    "slug": "tutor",
    "description": "",
    "published": "on",
    "model": MODEL,
    "system_prompt": "One.\r\nTwo.",
    "temperature": "0.5",
    "color": "slate",
    "visibility": "everybody",
    "position": "0",
}


@pytest.fixture
def admin(acme: Tenant, client_for: ClientFor) -> TenantClient:
    return client_for(acme, "owner")


def saved(answer: Any) -> bool:
    assert answer.status_code == 302, form_errors(answer)
    return True


def test_a_provider_is_made_and_its_key_not_shown(
    acme: Tenant, admin: TenantClient
) -> None:
    assert saved(admin.post(f"{PROVIDERS}/add/", PROVIDER))
    with entered(acme.scope):
        provider = Provider.objects.get(name="openai")
        assert provider.model_names == ["gpt-4o", "gpt-4o-mini"]
        assert resolve_model("openai/gpt-4o")[0].api_key == KEY
    url = f"{PROVIDERS}/{provider.pk}/change/"
    page = admin.get(url).content.decode()
    assert KEY not in page
    assert "set on 2" in page
    assert re.search(r'<input type="password" name="api_key"(?![^>]*value=)', page)
    assert "set on 2" in admin.get(f"{PROVIDERS}/").content.decode()
    assert KEY not in admin.get(f"{PROVIDERS}/{provider.pk}/history/").content.decode()


def test_an_admin_sees_the_lane_of_a_provider(
    acme: Tenant, admin: TenantClient, settings: Settings
) -> None:
    with entered(acme.scope):
        provider = create_provider(name="claude", kind="anthropic", api_key=KEY)
    pages = [f"{PROVIDERS}/", f"{PROVIDERS}/{provider.pk}/change/"]
    for page in pages:
        assert "fast (Anthropic&#x27;s format)" in admin.get(page).content.decode()
    settings.LLM_LANES = {"anthropic": "middle"}
    for page in pages:
        assert escape(Lane.MIDDLE.label) in admin.get(page).content.decode()
    assert "LLM_LANES" in admin.get(pages[1]).content.decode()
    assert admin.get(f"{PROVIDERS}/add/").status_code == 200


def test_an_empty_key_field_keeps_the_key_and_a_box_takes_it_away(
    acme: Tenant, admin: TenantClient
) -> None:
    admin.post(f"{PROVIDERS}/add/", PROVIDER)
    with entered(acme.scope):
        provider = Provider.objects.get(name="openai")
    url = f"{PROVIDERS}/{provider.pk}/change/"
    assert saved(admin.post(url, PROVIDER | {"api_key": "", "models": "x"}))
    with entered(acme.scope):
        assert resolve_model("openai/x")[0].api_key == KEY
        provider.refresh_from_db()
        assert provider.model_names == ["x"]
    assert saved(admin.post(url, PROVIDER | {"api_key": "", "remove_key": "on"}))
    with entered(acme.scope):
        assert not provider.credentials.active().exists()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "local"},
        {"kind": "bedrock"},
        {"kind": "openai_compatible"},
        {"base_url": "ftp://x"},
        {"models": "with space"},
        {"api_key": "no\u00e9"},
    ],
)
def test_a_refused_provider_is_shown_with_its_error(
    change: dict[str, str], acme: Tenant, admin: TenantClient
) -> None:
    answer = admin.post(f"{PROVIDERS}/add/", PROVIDER | change)
    assert form_errors(answer)
    assert KEY not in answer.content.decode(), "nor is what was typed a moment ago"
    with entered(acme.scope):
        assert Provider.objects.count() == 1


def test_a_provider_in_use_cannot_be_deleted(acme: Tenant, admin: TenantClient) -> None:
    with entered(acme.scope):
        local = Provider.objects.get()
        unused = create_provider(name="unused", kind="openai", api_key=KEY)
    for provider, said in (
        (local, "Agents answer with this provider (Assistant)."),
        (unused, "was deleted successfully"),
    ):
        path = f"{PROVIDERS}/{provider.pk}/delete/"
        answer = admin.post(path, {"post": "yes"}, follow=True)
        assert said in answer.content.decode()
    with entered(acme.scope):
        assert Provider.objects.get() == local


@pytest.mark.parametrize(
    "parameters",
    [
        '{"stop": "\\u0000"}',
        '{"stop": ["a", "\\ud800"]}',
        "[" * 5_000,
        '{"seed": ' + "1" * 5_000 + "}",
        '{"temperature": NaN}',
        '{"response_format": {"type": "json_schema", "json_schema": '
        '{"name": "a", "schema": {"maximum": 1e400}}}}',
        "{",
        "[1]",
    ],
    ids=lambda text: text[:20],
)
def test_refused_parameters_are_shown_as_they_were_typed(
    parameters: str, acme: Tenant, admin: TenantClient
) -> None:
    answer = admin.post(f"{AGENTS}/add/", AGENT | {"parameters": parameters})
    assert form_errors(answer)
    assert escape(parameters) in answer.content.decode()
    with entered(acme.scope):
        assert not Agent.objects.filter(slug="tutor").exists()


@pytest.mark.parametrize("stop", ["\x00", "a\ud800", ["a", "\x00"]])
def test_a_stop_text_the_database_cannot_keep_is_refused(stop: object) -> None:
    with pytest.raises(ValidationError):
        validate_parameters({"stop": stop})
    assert validate_parameters({"stop": "\n\U0001f600"})


def test_parameters_have_fields_and_the_rest_is_json(
    acme: Tenant, admin: TenantClient
) -> None:
    chosen = {"top_p": "0.9", "seed": "7", "reasoning_effort": "low"}
    others = {"parameters": '{"stop": ["END"]}'}
    assert saved(admin.post(f"{AGENTS}/add/", AGENT | chosen | others))
    with entered(acme.scope):
        agent = Agent.objects.select_related("revision").get(slug="tutor")
        assert agent.revision is not None
        kept = agent.revision.parameters
    assert kept == {
        **{"temperature": 0.5, "top_p": 0.9, "seed": 7, "reasoning_effort": "low"},
        "stop": ["END"],
    }
    url = f"{AGENTS}/{agent.pk}/change/"
    shown = admin.get(url).context["adminform"].form
    values = {name: shown[name].value() for name in (*chosen, "temperature")}
    assert values == {k: v for k, v in kept.items() if k != "stop"}
    assert shown["parameters"].value() == '{"stop": ["END"]}'
    assert saved(admin.post(url, AGENT | chosen | others))
    assert saved(admin.post(url, AGENT | others | {"temperature": ""}))
    with entered(acme.scope):
        revisions = agent.revisions.values_list("number", "parameters")
        assert list(revisions) == [(2, {"stop": ["END"]}), (1, kept)]


def test_an_agent_is_made_and_revised_by_its_author(
    acme: Tenant, admin: TenantClient
) -> None:
    assert saved(admin.post(f"{AGENTS}/add/", AGENT))
    with entered(acme.scope):
        agent = Agent.objects.select_related("revision").get(slug="tutor")
        assert agent.revision is not None
        assert agent.revision.author == person(acme, "owner")
        assert agent.revision.system_prompt == "One.\nTwo."
        assert agent.revision.parameters == {"temperature": 0.5}
    url = f"{AGENTS}/{agent.pk}/change/"
    assert saved(admin.post(url, AGENT | {"name": "Teacher"}))
    assert saved(admin.post(url, AGENT | {"system_prompt": "Three."}))
    with entered(acme.scope):
        numbers = agent.revisions.values_list("number", "system_prompt")
        assert list(numbers) == [(2, "Three."), (1, "One.\nTwo.")]
    assert "Three.</textarea>" in admin.get(url).content.decode()
    revisions = f"{AGENTS}/{agent.pk}/revisions/"
    assert "-One.\n-Two.\n+Three." in admin.get(revisions).content.decode()
    assert admin.post(revisions, {"number": "1"}).status_code == 302
    with entered(acme.scope):
        newest = agent.revisions.first()
        assert newest is not None
        assert (newest.number, newest.system_prompt) == (3, "One.\nTwo.")


@pytest.mark.parametrize(
    "change",
    [
        {"slug": "assistant"},
        {"slug": "42"},
        {"model": "nobody/gpt"},
        {"model": "gpt"},
        {"temperature": "9"},
        {"seed": "1.5"},
        {"verbosity": "loud"},
        {"parameters": '{"temperature": 0.5}'},
        {"starters": "a\x00b"},
        {"parameters": "[1]"},
        {"parameters": "{"},
        {"published": "", "is_default": "on"},
    ],
)
def test_a_refused_agent_is_shown_with_its_error(
    change: dict[str, str], acme: Tenant, admin: TenantClient
) -> None:
    assert form_errors(admin.post(f"{AGENTS}/add/", AGENT | change))
    with entered(acme.scope):
        assert Agent.objects.count() == 1


def test_the_default_agent_and_a_used_one_stay(
    acme: Tenant, admin: TenantClient
) -> None:
    with entered(acme.scope):
        default = Agent.objects.get()
        used = create_agent(slug="used", name="Used", model=MODEL)
        unused = create_agent(slug="unused", name="Unused", model=MODEL)
        Conversation.objects.create(owner=person(acme, "member"), agent=used)
    for agent, said in (
        (default, "The default agent cannot be deleted."),
        (used, "Conversations use this agent, so it cannot be deleted."),
        (unused, "was deleted successfully"),
    ):
        path = f"{AGENTS}/{agent.pk}/delete/"
        answer = admin.post(path, {"post": "yes"}, follow=True)
        assert said in answer.content.decode()
    with entered(acme.scope):
        assert set(Agent.objects.all()) == {default, used}


def test_another_tenants_rows_are_not_there(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    with entered(acme.scope):
        agent = create_agent(slug="secret", name="Secret", model=MODEL)
    other = client_for(globex, "owner")
    assert "Secret" not in other.get(f"{AGENTS}/").content.decode()
    # The admin sends strangers' addresses back to its index.
    assert other.get(f"{AGENTS}/{agent.pk}/change/").status_code == 302


@pytest.mark.parametrize(
    "people", ["x", "\x00", "99999999999999999999", "0", "-1", "1e3", ["1", "x"]]
)
def test_people_who_are_none_are_refused_at_their_field(
    people: Any, acme: Tenant, admin: TenantClient
) -> None:
    refused = AGENT | {"visibility": "people", "people": people}
    assert "not" in str(form_errors(admin.post(f"{AGENTS}/add/", refused)))
    with entered(acme.scope):
        made = create_agent(slug="tutor", name="Tutor", model=MODEL)
    answer = admin.post(f"{AGENTS}/{made.pk}/change/", refused)
    assert "not" in str(form_errors(answer))


SERVERS = "/admin/agents/mcpserver"
SERVER = {
    "name": "docs",
    "url": "http://127.0.0.1:9/mcp",
    "enabled": "on",
    "approval": "always",
    "timeout": "20",
    "headers": json.dumps({"Authorization": f"Bearer {KEY}"}),
}


def test_an_mcp_server_is_made_checked_and_its_headers_not_shown(
    acme: Tenant, admin: TenantClient
) -> None:
    assert saved(admin.post(f"{SERVERS}/add/", SERVER))
    with entered(acme.scope):
        made = McpServer.objects.get()
    assert "Not asked yet." in admin.get(f"{SERVERS}/").content.decode()
    row = f"{SERVERS}/{made.pk}"
    said = "does not work"
    assert said not in admin.get(f"{row}/check/").content.decode()
    checked = admin.post(f"{row}/check/").content.decode()
    assert said in checked
    listed = admin.get(f"{SERVERS}/").content.decode()
    assert "Failed just now: it cannot be reached." in listed
    # Typed with a mistake elsewhere on the page, they are not sent back either.
    refused = admin.post(f"{row}/change/", SERVER | {"name": "Docs"})
    assert "lower-case" in str(form_errors(refused))
    pages = [admin.get(f"{row}/{path}/") for path in ("change", "history")]
    shown = [page.content.decode() for page in (refused, *pages)]
    assert [KEY in text for text in (checked, listed, *shown)] == [False] * 5
    for wrong in ("[1]", "{", '{"A": 1}', '{"A": null}', '{"A": "\\u0000"}'):
        answer = admin.post(f"{row}/change/", SERVER | {"headers": wrong})
        assert form_errors(answer), wrong
    assert saved(admin.post(f"{row}/change/", SERVER | {"headers": ""}))
    with entered(acme.scope):
        assert address_of(made).headers == (("Authorization", f"Bearer {KEY}"),)
    assert saved(admin.post(f"{row}/change/", {**SERVER, "remove_headers": "on"}))
    with entered(acme.scope):
        made.refresh_from_db()
        assert not made.has_headers
