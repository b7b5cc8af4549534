"""Prices, budgets, sums and settings in the tenant's admin; totals on the platform."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import models

from accounts.models import User
from llm.events import Usage
from tenants.db import PUBLIC, entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import person
from tests.usage.test_api import use
from usage.models import Budget, PriceRule, UsageRecord, UsageSettings
from usage.services import CallMade, Subject, record_calls

ClientFor = Callable[..., TenantClient]


@pytest.fixture
def owner(acme: Tenant, client_for: ClientFor) -> TenantClient:
    return client_for(acme, "owner")


def test_a_budget_is_made_for_a_person_and_its_use_is_shown(
    owner: TenantClient, acme: Tenant
) -> None:
    member = person(acme, "member")
    form = {"scope": "user", "period": "day", "limit_tokens": "1400"}
    missing = owner.post("/admin/usage/budget/add/", form)
    assert "Choose whom the budget is for." in missing.content.decode()
    made = owner.post("/admin/usage/budget/add/", {**form, "person": member.pk})
    assert made.status_code == 302, made.content
    use(acme, "member", "turn-1")
    listed = owner.get("/admin/usage/budget/").content.decode()
    assert member.email in listed and "nearly used up" in listed
    with entered(acme.scope):
        budget = Budget.objects.get()
    path = f"/admin/usage/budget/{budget.pk}/change/"
    shown = owner.get(path).content.decode()
    assert "200 of 1,400 tokens (86 % used)" in shown and "Starts anew" in shown
    assert owner.post(path, {"limit_tokens": "900"}).status_code == 302
    with entered(acme.scope):
        assert Budget.objects.get().limit_tokens == 900


def test_a_second_budget_of_a_kind_is_refused_in_the_form(owner: TenantClient) -> None:
    form = {"scope": "tenant", "period": "day", "limit_cost": "5"}
    assert owner.post("/admin/usage/budget/add/", form).status_code == 302
    again = owner.post("/admin/usage/budget/add/", form)
    assert "There is such a budget already." in again.content.decode()
    empty = owner.post("/admin/usage/budget/add/", form | {"limit_cost": ""})
    assert "Give a limit in tokens or in money." in empty.content.decode()


def test_prices_and_settings_are_kept(owner: TenantClient, acme: Tenant) -> None:
    form = {
        "model": "openai/*",
        "input_per_million": "1",
        "output_per_million": "2",
        "effective_from_0": "2026-01-01",
        "effective_from_1": "00:00:00",
    }
    assert owner.post("/admin/usage/pricerule/add/", form).status_code == 302
    assert owner.get("/admin/usage/usagesettings/").status_code == 302
    settings = {"time_zone": "Europe/Berlin", "user_turns_per_minute": "3"}
    saved = owner.post("/admin/usage/usagesettings/add/", settings)
    assert saved.status_code == 302, saved.content
    page = owner.get("/admin/usage/usagesettings/", follow=True).content.decode()
    assert 'value="Europe/Berlin" selected' in page
    with entered(acme.scope):
        assert PriceRule.objects.get().model == "openai/*"
        kept = UsageSettings.objects.get()
    assert (kept.time_zone, kept.user_turns_per_minute) == ("Europe/Berlin", 3)
    assert kept.alert_mail is False


def test_whoever_sets_no_time_zone_gets_utc(owner: TenantClient) -> None:
    page = owner.get("/admin/usage/usagesettings/add/").content.decode()
    assert 'value="UTC" selected' in page


def test_a_month_is_shown_by_model_person_agent_and_key(
    owner: TenantClient, acme: Tenant, client_for: ClientFor
) -> None:
    use(acme, "member", "turn-1")
    page = owner.get("/admin/month").content.decode()
    for heading in ("Model", "Person", "Agent", "API key"):
        assert f'aria-label="{heading}"' in page
    assert person(acme, "member").email in page and "1,200" in page
    empty = owner.get("/admin/month?month=2001-02").content.decode()
    assert "February 2001" in empty and "Nothing was used." in empty
    for month in ("2026-13", "x", "0000-01"):
        assert owner.get("/admin/month", {"month": month}).status_code == 302
    assert client_for(acme, "member").get("/admin/month").status_code == 302


def test_the_start_page_has_todays_figures(
    owner: TenantClient, acme: Tenant, client_for: ClientFor, globex: Tenant
) -> None:
    """Two turns of one person: the second called a tool, and made a title."""
    use(acme, "member", "turn-1", status="failed")
    use(acme, "member", "turn-2")
    use(acme, "member", "turn-2", call=1)
    use(acme, "member", "turn-2", kind="title", model="x/titles", ttft_ms=9_000)
    use(acme, "owner", "test-1", kind="test")
    use(globex, "owner", "turn-9")
    shown = owner.get("/admin/").context
    assert (shown["turns"], shown["people"]) == (2, 1)
    with entered(acme.scope):
        rows = UsageRecord.objects.all()
        cost = rows.aggregate(cost=models.Sum("cost"))["cost"]
        tokens = rows.aggregate(sum=models.Sum("total_tokens"))["sum"]
    today = shown["today"]
    assert (today["calls"], today["failures"], today["cost"]) == (5, 1, cost)
    assert today["total_tokens"] == tokens
    slowest = [(row["label"], row["ttft_ms_avg"]) for row in shown["models"]]
    assert slowest == [("openai/gpt-4o", 10), ("x/titles", 9_000)], "failures first"
    assert [row.turn_id for row in shown["failures"]] == ["turn-1"]
    page = owner.get("/admin/").content.decode()
    assert re.search(r">2</strong>\s+turns today,\s+by 1 person", page)


def test_the_start_page_says_how_many_models_it_leaves_out(
    owner: TenantClient, acme: Tenant
) -> None:
    with entered(acme.scope):
        for number in range(10):
            subject = Subject(
                user_id=1,
                agent_id=None,
                model=f"p/model-{number}",
                turn_id=f"turn-{number}",
            )
            record_calls(
                CallMade(
                    subject=subject,
                    usage=Usage(number, 1),
                    price=None,
                    status="failed" if number == 9 else "done",
                    ttft_ms=None,
                    duration_ms=1,
                )
            )
    page = owner.get("/admin/").content.decode()
    assert "8 of 10 models" in page
    assert "p/model-9" in page, "it failed"


@pytest.mark.parametrize("name", ["usagerecord", "dailyusage"])
def test_ledger_and_sums_are_filtered_by_who_and_what(
    owner: TenantClient, acme: Tenant, name: str
) -> None:
    use(acme, "member", "turn-1")
    use(acme, "owner", "turn-2", model="x/y")
    user = person(acme, "member").pk
    answer = owner.get(f"/admin/usage/{name}/?user__id__exact={user}")
    assert [row.user_id for row in answer.context["cl"].result_list] == [user]
    assert owner.get(f"/admin/usage/{name}/add/").status_code == 403


def test_members_do_not_see_any_of_it(client_for: ClientFor, acme: Tenant) -> None:
    member = client_for(acme, "member")
    for name in ("budget", "pricerule", "dailyusage", "usagesettings"):
        assert member.get(f"/admin/usage/{name}/").status_code == 302


def test_the_platform_sees_totals_by_tenant(
    client_for: ClientFor, acme: Tenant, globex: Tenant
) -> None:
    use(acme, "member", "turn-1", model="secret/model")
    with entered(PUBLIC):
        root = User.objects.create_user("root@platform.test", role=User.Role.OWNER)
    platform = client_for(None)
    assert platform.get("/admin/usage").status_code == 302
    with entered(PUBLIC):
        platform.force_login(root)
    page = platform.get("/admin/usage").content.decode()
    assert "Acme (acme)" in page and "Globex (globex)" in page
    assert "1,000" in page and "secret" not in page and "member@" not in page
