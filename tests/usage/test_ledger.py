"""The ledger: one row a call, exact money, append-only."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils import timezone

from agents.models import Agent
from llm.events import Usage
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import person
from usage.exporting import csv_lines
from usage.models import DailyUsage, UsageRecord, UsageSettings
from usage.periods import Span
from usage.pricing import UnitPrice
from usage.services import CallMade, Subject, record_calls, record_correction
from usage.services.rebuilding import differences, rebuild

USAGE = Usage(
    prompt_tokens=1_000, completion_tokens=200, cached_tokens=400, reasoning_tokens=50
)
# Dollars a million.
PRICE = UnitPrice(
    input=Decimal("0.15"),
    cached_input=Decimal("0.075"),
    output=Decimal("0.6"),
    reasoning=Decimal("0.0000020002"),
)
# 600 new, 400 cached, 150 said and 50 thought.
COST = Decimal("0.0002100001")


@pytest.fixture
def scoped(db: None, acme: Tenant) -> Iterator[Tenant]:
    with entered(acme.scope):
        yield acme


def record(tenant: Tenant, turn: str = "turn-00001", **fields: Any) -> UsageRecord:
    subject = Subject(
        user_id=person(tenant, "member").pk,
        agent_id=Agent.objects.get(slug="assistant").pk,
        model="openai/gpt-4o-mini",
        conversation_id="chat-00001",
        message_id="reply-0001",
        turn_id=turn,
        api_key_id=77,
    )
    defaults: dict[str, Any] = {
        "usage": USAGE,
        "price": PRICE,
        "status": "done",
        "ttft_ms": 12,
        "duration_ms": 34,
    }
    (made,) = record_calls(CallMade(subject=subject, **defaults | fields))
    return made


def test_a_record_holds_all_that_was_counted(scoped: Tenant) -> None:
    made = record(scoped)
    kept = UsageRecord.objects.get()
    assert kept.pk == made.pk
    assert (kept.prompt_tokens, kept.completion_tokens) == (1_000, 200)
    assert (kept.cached_tokens, kept.reasoning_tokens) == (400, 50)
    assert kept.total_tokens == 1_200
    assert kept.cost == COST, "to the last place"
    assert kept.input_price == PRICE.input
    assert kept.cached_input_price == PRICE.cached_input
    assert kept.output_price == PRICE.output
    assert kept.reasoning_price == PRICE.reasoning
    assert (kept.currency, kept.status, kept.estimated) == ("USD", "done", False)
    assert (kept.ttft_ms, kept.duration_ms) == (12, 34)
    assert (kept.turn_id, kept.kind, kept.call) == ("turn-00001", "reply", 0)
    assert kept.api_key_id == 77


def test_a_call_is_recorded_once(scoped: Tenant) -> None:
    record(scoped)
    with pytest.raises(IntegrityError), transaction.atomic():
        record(scoped)
    record(scoped, call=1, model_answered="m" * 300)
    record(scoped, kind="title")
    record(scoped, "turn-00002")
    assert UsageRecord.objects.count() == 4


def test_a_model_without_a_price_has_no_cost_which_is_not_nothing(
    scoped: Tenant,
) -> None:
    made = record(scoped, price=None)
    assert (made.cost, made.input_price) == (None, None)
    nothing = record(scoped, "turn-00002", price=None, usage=Usage(0, 0))
    assert nothing.cost == 0, "what used nothing cost nothing at any price"


def test_a_correction_is_added_to_what_it_corrects(scoped: Tenant) -> None:
    made = record(scoped)
    other = record(scoped, call=1)
    lower = record_correction(
        record=made, note="The bill says less.", prompt_tokens=-900, cost=-COST
    )
    again = record_correction(record=lower, note="A little.", completion_tokens=5)
    assert (lower.kind, lower.call, lower.total_tokens) == ("correction", 0, -900)
    assert (again.call, again.corrects_id) == (1, made.pk)
    assert again.cost == 0
    with pytest.raises(ValidationError):
        record_correction(record=made, note="Too much.", prompt_tokens=-101)
    record_correction(record=other, note="Another call.", prompt_tokens=-1_000)
    with pytest.raises(ValidationError):
        record_correction(record=made, note=" ", prompt_tokens=1)
    with pytest.raises(ValidationError):
        record_correction(record=made, note="Nothing.")
    total = UsageRecord.objects.filter(kind="correction").aggregate(Sum("total_tokens"))
    assert total == {"total_tokens__sum": -900 + 5 - 1_000}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_usagerecord SET cost = 0",
        "UPDATE usage_usagerecord SET cost = 0 WHERE false",
        "DELETE FROM usage_usagerecord",
        "TRUNCATE usage_usagerecord CASCADE",
    ],
)
def test_the_database_refuses_to_change_a_record(
    scoped: Tenant, statement: str
) -> None:
    record(scoped)
    refusal = pytest.raises(IntegrityError, match="append-only")
    with refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert UsageRecord.objects.get().cost == COST


def test_only_a_correction_counts_below_nothing(scoped: Tenant) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        record(scoped, usage=Usage(prompt_tokens=-1, completion_tokens=2))


FORBIDDEN: dict[str, Callable[[UsageRecord], object]] = {
    "save": lambda made: made.save(),
    "save one field": lambda made: made.save(update_fields=["cost"]),
    "delete": lambda made: made.delete(),
    "update many": lambda made: UsageRecord.objects.update(cost=0),
    "update some": lambda made: UsageRecord.objects.filter(pk=made.pk).update(cost=0),
    "bulk update": lambda made: UsageRecord.objects.bulk_update([made], ["cost"]),
    "delete many": lambda made: UsageRecord.objects.all().delete(),
}


@pytest.mark.parametrize("change", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_record_is_never_changed(
    scoped: Tenant, change: Callable[[UsageRecord], object]
) -> None:
    made = record(scoped)
    made.cost = Decimal(99)
    refusal = pytest.raises(TypeError, match=r"append-only|never deleted")
    with refusal, transaction.atomic():
        change(made)
    assert UsageRecord.objects.get().cost == COST


def test_records_outlive_the_person_and_the_agent(scoped: Tenant) -> None:
    made = record(scoped)
    person(scoped, "member").delete()
    Agent.objects.get(slug="assistant").delete()
    kept = UsageRecord.objects.get()
    assert (kept.user_id, kept.agent_id) == (made.user_id, made.agent_id)


def test_tenants_have_ledgers_of_their_own(scoped: Tenant, globex: Tenant) -> None:
    record(scoped)
    with entered(globex.scope):
        assert not UsageRecord.objects.exists()
        record(globex)
        assert UsageRecord.objects.count() == 1
    assert UsageRecord.objects.count() == 1


# ------------------------------------------------------------------------------ admin

ADMIN = "/admin/usage/usagerecord/"


def test_the_admin_shows_the_ledger_and_changes_nothing(
    client_for: Callable[..., TenantClient], acme: Tenant
) -> None:
    with entered(acme.scope):
        made = record(acme)
    owner = client_for(acme, "owner")
    listed = owner.get(ADMIN)
    assert listed.status_code == 200
    assert "openai/gpt-4o-mini" in listed.content.decode()
    assert owner.get(f"{ADMIN}{made.pk}/change/").status_code == 200
    for path in ("add/", f"{made.pk}/delete/"):
        assert owner.get(ADMIN + path).status_code == 403
        assert owner.post(ADMIN + path, {"post": "yes"}).status_code == 403
    changed = owner.post(f"{ADMIN}{made.pk}/change/", {"cost": "0"})
    assert changed.status_code == 403
    with entered(acme.scope):
        assert UsageRecord.objects.get().cost == COST


def test_members_do_not_see_the_ledger(
    client_for: Callable[..., TenantClient], acme: Tenant
) -> None:
    answer = client_for(acme, "member").get(ADMIN)
    assert answer.status_code == 302
    assert "/login" in answer["Location"]


# What one hour is of another date there than half an hour before and after it.
ZONES = {
    "UTC": ["2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z"],
    # Clocks go back from 1 to 0 on 1 November: midnight comes twice.
    "America/Havana": [f"2026-11-01T0{hour}:30:00Z" for hour in range(3, 8)],
    # Clocks go from 0 to 1 on 24 April: there is no midnight.
    "Africa/Cairo": ["2026-04-23T21:30:00Z", "2026-04-23T22:30:00Z"],
    "Asia/Kathmandu": ["2026-03-31T18:10:00Z", "2026-03-31T18:20:00Z"],
    "Australia/Lord_Howe": ["2026-04-04T14:59:00Z", "2026-04-04T15:15:00Z"],
    "Pacific/Apia": ["2011-12-30T09:59:00Z", "2011-12-30T10:01:00Z"],
}


@pytest.mark.parametrize("zone", ZONES)
def test_days_begin_where_the_time_zone_has_them(scoped: Tenant, zone: str) -> None:
    """When they are kept, when they are made again, and when they are asked for."""
    UsageSettings.objects.create(pk=1, time_zone=zone)
    for number, moment in enumerate(ZONES[zone]):
        with patch.object(timezone, "now", return_value=datetime.fromisoformat(moment)):
            record(scoped, f"turn-{number:05}")
    kept = list(DailyUsage.objects.order_by("day").values_list("day", "calls"))
    rebuild()
    assert list(DailyUsage.objects.order_by("day").values_list("day", "calls")) == kept
    assert differences() == []
    for day, calls in kept:
        span = Span(day, day, ZoneInfo(zone))
        assert UsageRecord.objects.between(span.start, span.end).count() == calls


def test_a_file_has_numbers_as_numbers_and_no_formulas() -> None:
    row = ["=1+1", "-x", "-2+3", "@SUM(A1)", "\tx", "\uff1d1", "-0.25", "12", -3, None]
    cells = next(csv.reader([csv_lines([row]).decode().strip("\r\n")]))
    assert cells == [*(f"'{cell}" for cell in row[:6]), "-0.25", "12", "-3", ""]


def test_the_dearest_call_still_fits(scoped: Tenant) -> None:
    most = UnitPrice(*[Decimal(1_000_000)] * 4)
    made = record(scoped, usage=Usage(2**31 - 1, 0), price=most)
    record(scoped, "turn-00002", usage=Usage(0, 2**31 - 1), price=most)
    assert made.cost == 2**31 - 1
    assert differences() == []
