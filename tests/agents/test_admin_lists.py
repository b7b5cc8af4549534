"""The admin's lists with many rows and odd questions, and what a deletion shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.services import create_api_key, create_user
from agents.errors import AgentInUseError
from agents.models import Agent, McpServer
from agents.services import create_agent, create_provider, delete_agent
from chat.models import Conversation, Message
from tenants import hosts
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.clients import TenantClient
from usage.models import Budget, PriceRule

ClientFor = Callable[..., TenantClient]
MODEL = "local/smollm2-135m"
LISTS = (
    *("agents/agent", "agents/provider", "agents/mcpserver", "accounts/user"),
    *("accounts/apikey", "usage/budget", "usage/pricerule", "usage/dailyusage"),
    *("usage/usagerecord", "chat/shareevent"),
)


@pytest.fixture
def admin(acme: Tenant, client_for: ClientFor) -> TenantClient:
    return client_for(acme, "owner")


def make_rows(tenant: Tenant, numbers: range) -> None:
    """Of everything that names something else in its list."""
    with entered(tenant.scope):
        for n in numbers:
            user = create_user(email=f"person{n}@acme.test")
            key = create_api_key(user=user, name=f"key {n}")[0]
            create_provider(name=f"place{n}", kind="openai", api_key=f"sk-of-place-{n}")
            agent = create_agent(slug=f"agent{n}", name="A", model=f"place{n}/gpt-4o")
            McpServer.objects.create(name=f"docs{n}", url="https://docs.test/mcp")
            for scope, row in (("user", user), ("agent", agent), ("key", key)):
                Budget.objects.create(
                    scope=scope, subject_id=row.pk, period="day", limit_tokens=9
                )
            PriceRule.objects.create(
                model=f"place{n}/gpt-4o",
                input_per_million=1,
                output_per_million=1,
                effective_from=timezone.now(),
            )


def queries(admin: TenantClient) -> dict[str, int]:
    found = {}
    for name in LISTS:
        with CaptureQueriesContext(connection) as asked:
            assert admin.get(f"/admin/{name}/").status_code == 200
        found[name] = len(asked)
    return found


def test_a_list_asks_no_more_of_the_database_for_more_rows(
    acme: Tenant, admin: TenantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_rows(acme, range(2))
    # ContentTypes are kept from here on, and so is whose the host is.
    monkeypatch.setattr(hosts, "TTL", 600)
    hosts.forget()
    admin.get("/admin/agents/agent/")
    few = queries(admin)
    make_rows(acme, range(2, 12))
    assert queries(admin) == few
    budgets = admin.get("/admin/usage/budget/").content.decode()
    assert "person11@acme.test" in budgets and "key 11" in budgets


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("agents/agent/?created_at__year=99999999", 302),
        ("agents/provider/?created_at__year=-1", 302),
        # Nobody spells out a secret, one letter after the other.
        ("agents/mcpserver/?ciphertext__startswith=gAAAA", 400),
        ("agents/provider/?credentials__ciphertext__startswith=gAAAA", 400),
        ("accounts/apikey/?digest__startswith=a", 400),
        ("accounts/user/?password__startswith=a", 400),
    ],
)
def test_odd_filters_are_refused(asked: str, status: int, admin: TenantClient) -> None:
    assert admin.get(f"/admin/{asked}").status_code == status


def test_an_action_on_many_skips_what_is_none_and_is_in_the_history(
    acme: Tenant, admin: TenantClient
) -> None:
    with entered(acme.scope):
        made = create_agent(slug="made", name="Made", model=MODEL)
    for chosen in (["abc"], ["\x00"], ["9" * 30], [str(made.pk), "x"]):
        act = {"action": "unpublish", "_selected_action": chosen}
        assert admin.post("/admin/agents/agent/", act).status_code == 302
    with entered(acme.scope):
        assert Agent.objects.filter(published=False).count() == 0
    act = {"action": "unpublish", "_selected_action": [str(made.pk)]}
    assert admin.post("/admin/agents/agent/", act).status_code == 302
    with entered(acme.scope):
        assert Agent.objects.get(published=False) == made
        assert LogEntry.objects.get().get_change_message() == "Changed published."
    history = admin.get(f"/admin/agents/agent/{made.pk}/history/").content.decode()
    assert "Changed published." in history


def test_deleting_an_agent_shows_nobodys_conversations(
    acme: Tenant, admin: TenantClient
) -> None:
    with entered(acme.scope):
        used = create_agent(slug="used", name="Used", model=MODEL)
        private = make_conversation(acme, said=("My secret", "An answer"))
        Conversation.objects.update(agent=used, title="A private matter")
    path = f"/admin/agents/agent/{used.pk}/delete/"
    for answer in (admin.get(path), admin.post(path, {"post": "yes"}, follow=True)):
        page = answer.content.decode()
        assert answer.status_code == 200
        assert "Used" in page
        assert "private matter" not in page and private.pk not in page
    assert "so it cannot be deleted" in page
    with entered(acme.scope):
        assert Agent.objects.filter(slug="used").exists()


def test_messages_keep_pointing_at_the_revision_that_wrote_them(
    db: None, acme: Tenant
) -> None:
    """Also where the conversation has gone on with another agent."""
    with entered(acme.scope):
        gone = create_agent(slug="gone", name="Gone", model=MODEL)
        make_conversation(acme, said=("Q", "A"))
        replies = Message.objects.filter(role="assistant")
        replies.update(agent_revision=gone.revision)
        with pytest.raises(AgentInUseError):
            delete_agent(agent=gone)
        assert replies.get().agent_revision == gone.revision
