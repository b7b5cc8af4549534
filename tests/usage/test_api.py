"""The API's sums, ledger, budgets, prices and statements: shapes and gates."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from llm.events import Usage
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.test_exports import needs_pango, pdf_text
from tests.clients import TenantClient
from tests.factories import person
from usage.models import Budget, PriceRule, UsageSettings
from usage.pricing import UnitPrice
from usage.services import CallMade, Subject, record_calls

ClientFor = Callable[..., TenantClient]
SUMMARY, RECORDS = "/api/v1/usage/summary", "/api/v1/usage/records"
STATEMENT, BUDGETS, PRICES = (
    "/api/v1/usage/statement",
    "/api/v1/budgets",
    "/api/v1/prices",
)
ONE = UnitPrice(Decimal(1), Decimal(1), Decimal(1), Decimal(1))


def use(tenant: Tenant, name: str, turn: str, **fields: Any) -> None:
    call: dict[str, Any] = {
        "usage": Usage(1_000, 200, cached_tokens=10),
        "price": ONE,
        "status": "done",
        "ttft_ms": 10,
        "duration_ms": 30,
    }
    with entered(tenant.scope):
        record_calls(
            CallMade(
                subject=Subject(
                    user_id=person(tenant, name).pk,
                    agent_id=Agent.objects.get(slug="assistant").pk,
                    model=fields.pop("model", "openai/gpt-4o"),
                    turn_id=turn,
                    conversation_id="-2+3-cmd",
                ),
                **call | fields,
            )
        )


@pytest.fixture
def used(db: None, acme: Tenant) -> Tenant:
    use(acme, "member", "turn-1")
    use(acme, "member", "turn-2", model="x/unpriced", price=None, ttft_ms=30)
    use(acme, "owner", "turn-3", status="failed", ttft_ms=None)
    return acme


def test_members_see_their_own_sums_and_admins_everybodys(
    client_for: ClientFor, used: Tenant
) -> None:
    mine = client_for(used, "member").get(SUMMARY).json()
    assert mine["totals"]["total_tokens"] == 2_400
    assert mine["totals"]["unpriced_tokens"] == 1_200
    assert mine["totals"]["cost"] == "0.0012"
    assert mine["totals"]["ttft_ms_avg"] == 20
    assert [row["key"] for row in mine["results"]] == [f"{timezone.now():%Y-%m-%d}"]
    whole = client_for(used, "owner").get(f"{SUMMARY}?group_by=user").json()
    assert whole["totals"]["calls"] == 3 and whole["totals"]["failures"] == 1
    assert {row["label"] for row in whole["results"]} == {
        "member@acme.test",
        "owner@acme.test",
    }


@pytest.mark.parametrize("group", ["day", "month", "user", "agent", "model", "key"])
def test_every_group_adds_up_to_the_whole(
    client_for: ClientFor, used: Tenant, group: str
) -> None:
    found = client_for(used, "owner").get(f"{SUMMARY}?group_by={group}").json()
    for name in ("total_tokens", "calls", "unpriced_tokens"):
        assert sum(row[name] for row in found["results"]) == found["totals"][name]
    assert Decimal(found["totals"]["cost"]) == Decimal("0.0024")


def test_the_ledger_is_paged_and_filtered(client_for: ClientFor, used: Tenant) -> None:
    owner = client_for(used, "owner")
    found = owner.get(f"{RECORDS}?status=failed").json()
    assert found["count"] == 1
    record = found["results"][0]
    assert set(record) >= {
        *("id", "created_at", "user_id", "agent_id", "model", "conversation_id"),
        *("message_id", "prompt_tokens", "completion_tokens", "total_tokens", "cost"),
        *("currency", "estimated", "status", "ttft_ms", "duration_ms"),
    }
    assert owner.get(f"{RECORDS}?model=x/unpriced").json()["count"] == 1
    assert owner.get(f"{RECORDS}?from=2020-01-01&to=2020-12-31").json()["count"] == 0
    assert client_for(used, "member").get(RECORDS).json()["count"] == 2
    assert client_for(used, "stranger").get(RECORDS).json()["count"] == 0


BAD = [
    *(f"{SUMMARY}?{query}" for query in ("group_by=colour", "from=x", "to=2026-13-01")),
    *(f"{SUMMARY}?{query}" for query in ("from=2026-02-02&to=2026-02-01", "from=%0a")),
    f"{SUMMARY}?from=1900-01-01",
    f"{SUMMARY}?to=9999-12-31",
    *(f"{RECORDS}?{query}" for query in ("user_id=x", "kind=x", "status=", "format=x")),
    f"{RECORDS}?agent_id=99999999999999999999",
    f"{RECORDS}?model=%0a",
    *(f"{STATEMENT}?{query}" for query in ("month=2026", "month=2026-13", "format=x")),
]


@pytest.mark.parametrize("path", BAD)
def test_nonsense_is_a_400_that_names_its_field(
    client_for: ClientFor, acme: Tenant, path: str
) -> None:
    answer = client_for(acme, "owner").get(path)
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid" and answer.json()["fields"]


def test_budgets_are_made_changed_and_removed(
    client_for: ClientFor, used: Tenant
) -> None:
    owner = client_for(used, "owner")
    member = person(used, "member").pk
    fields = {"scope": "user", "subject_id": str(member), "period": "month"}
    made = owner.call("POST", BUDGETS, {**fields, "limit_tokens": 5_000})
    assert made.status_code == 201, made.content
    budget = made.json()
    assert budget | fields == budget
    assert (budget["limit_tokens"], budget["limit_cost"]) == (5_000, None)
    again = owner.call("POST", BUDGETS, {**fields, "limit_tokens": 1})
    assert again.status_code == 400
    path = f"{BUDGETS}/{budget['id']}"
    changed = owner.call("PATCH", path, {"limit_cost": "1.50"}).json()
    assert (changed["limit_tokens"], changed["limit_cost"]) == (5_000, "1.5")
    assert owner.call("PATCH", path, {"period": "day"}).status_code == 400
    nothing = {"limit_cost": None, "limit_tokens": None}
    assert owner.call("PATCH", path, nothing).status_code == 400
    assert owner.get(BUDGETS).json()["count"] == 1
    assert owner.delete(path).status_code == 204
    assert owner.get(path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"scope": "user", "period": "day", "limit_tokens": 1},
        {"scope": "tenant", "subject_id": 1, "period": "day", "limit_tokens": 1},
        {"scope": "agent", "subject_id": 9**9, "period": "day", "limit_tokens": 1},
        {"scope": "key", "subject_id": True, "period": "day", "limit_tokens": 1},
        {"scope": "tenant", "period": "year", "limit_tokens": 1},
        {"scope": "tenant", "period": "day", "limit_tokens": -1},
        {"scope": "tenant", "period": "day", "limit_tokens": 10**30},
        {"scope": "tenant", "period": "day", "limit_cost": "NaN"},
        {"scope": "tenant", "period": "day", "limit_cost": 1e300},
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(
    client_for: ClientFor, acme: Tenant, body: Any
) -> None:
    answer = client_for(acme, "owner").call("POST", BUDGETS, body)
    assert answer.status_code == 400, answer.content
    with entered(acme.scope):
        assert not Budget.objects.exists()


def test_prices_are_made_changed_and_removed(
    client_for: ClientFor, acme: Tenant
) -> None:
    owner = client_for(acme, "owner")
    fields = {"input_per_million": "2.50", "output_per_million": 10}
    made = owner.call("POST", PRICES, {"model": "openai/gpt-4o*", **fields})
    assert made.status_code == 201, made.content
    price = made.json()
    assert (price["input_per_million"], price["output_per_million"]) == ("2.5", "10")
    assert price["cached_input_per_million"] is None and price["effective_from"]
    path = f"{PRICES}/{price['id']}"
    assert owner.call("PATCH", path, {"input_per_million": "3"}).status_code == 200
    for wrong in ("-1", "1000001", "x", None):
        body = {"model": "a/b", **fields, "input_per_million": wrong}
        assert owner.call("POST", PRICES, body).status_code == 400
    spaced = owner.call("POST", PRICES, {"model": "a b", **fields})
    assert spaced.status_code == 400
    assert owner.delete(path).status_code == 204
    with entered(acme.scope):
        assert not PriceRule.objects.exists()


def test_only_admins_see_budgets_prices_and_statements(
    client_for: ClientFor, acme: Tenant, globex: Tenant
) -> None:
    owner = client_for(acme, "owner")
    body = {"scope": "tenant", "period": "day", "limit_tokens": 1}
    pk = owner.call("POST", BUDGETS, body).json()["id"]
    paths = [BUDGETS, f"{BUDGETS}/{pk}", PRICES, f"{PRICES}/1", STATEMENT]
    for path in paths:
        assert client_for(acme, "member").get(path).status_code == 403
    for path in (*paths, SUMMARY, RECORDS):
        assert client_for(acme).get(path).status_code == 401
    assert client_for(globex, "owner").get(f"{BUDGETS}/{pk}").status_code == 404
    assert client_for(globex, "owner").get(BUDGETS).json()["count"] == 0


def test_another_tenants_usage_is_unknown(
    client_for: ClientFor, used: Tenant, globex: Tenant
) -> None:
    owner = client_for(globex, "owner")
    assert owner.get(SUMMARY).json()["totals"]["calls"] == 0
    assert owner.get(RECORDS).json()["count"] == 0


def test_a_statement_has_every_line_and_the_sum(
    client_for: ClientFor, used: Tenant
) -> None:
    owner = client_for(used, "owner")
    page = owner.get(STATEMENT).content.decode()
    assert "3,600" in page and "unpriced" in page and "member@acme.test" in page
    assert "The month is not over yet" in page
    lines = owner.get(f"{STATEMENT}?format=csv").content.decode().splitlines()
    assert lines[0].startswith("group,id,name,calls,prompt_tokens")
    assert lines[-1].startswith("total,,,3,3000,30,600,0,3600,1200,0.0024,USD")
    assert "model,x/unpriced,x/unpriced,1,1000,10,200,0,1200,1200,0,USD" in lines
    empty = owner.get(f"{STATEMENT}?month=2020-02").content.decode()
    assert "2020-02-29" in empty and "Nothing was used" in empty
    nothing = owner.get(f"{STATEMENT}?format=csv&month=2020-02").content.decode()
    assert nothing.splitlines()[1:] == ["total,,,0,0,0,0,0,0,0,0,USD"]


@needs_pango
def test_a_statement_is_printed_with_the_same_figures(
    client_for: ClientFor, used: Tenant
) -> None:
    answer = client_for(used, "owner").get(f"{STATEMENT}?format=pdf&month=2020-02")
    assert answer["Content-Type"] == "application/pdf"
    assert "statement-acme-2020-02.pdf" in answer["Content-Disposition"]
    assert "Nothing was used" in pdf_text(answer.content)
    answer = client_for(used, "owner").get(f"{STATEMENT}?format=pdf")
    text = pdf_text(answer.content)
    for part in ("3,600", "unpriced", "member@acme.test", "not over yet"):
        assert part in text


def test_days_are_those_of_the_tenants_time_zone(
    client_for: ClientFor, acme: Tenant
) -> None:
    with entered(acme.scope):
        UsageSettings.objects.create(pk=1, time_zone="Pacific/Kiritimati")
    use(acme, "member", "turn-1")
    found = client_for(acme, "member").get(SUMMARY).json()
    assert found["time_zone"] == "Pacific/Kiritimati"
    assert found["totals"]["calls"] == 1
    assert found["results"][0]["key"] == found["to"]


def test_the_page_shows_what_one_used_and_what_is_left(
    client_for: ClientFor, used: Tenant
) -> None:
    with entered(used.scope):
        Budget.objects.create(scope="tenant", period="day", limit_tokens=4_000)
    page = client_for(used, "member").get("/usage").content.decode()
    assert "<strong>2,400</strong> tokens" in page and "$0.0012 + unpriced" in page
    assert "4,000 tokens" in page and "x/unpriced" in page
    assert client_for(used).get("/usage").status_code == 302
