"""Sums over any days, of which whole months are read from the months' sums."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone

from agents.models import Agent
from llm.events import Usage
from tenants.db import entered
from tenants.models import Tenant
from tests.factories import person
from usage.models import MonthlyUsage, UsageRecord
from usage.pricing import UnitPrice
from usage.services import CallMade, Subject, record_calls
from usage.services.rebuilding import differences, rebuild
from usage.summaries import GROUPS, Group, Used, summarise

ONE = UnitPrice(Decimal(1), Decimal(1), Decimal(1), Decimal(1))
SPANS = [
    ("2025-11-10", "2025-11-10"),
    ("2025-11-10", "2025-11-30"),
    ("2025-11-01", "2025-11-30"),
    ("2025-11-30", "2026-03-01"),
    ("2025-12-01", "2026-02-28"),
    ("2026-01-15", "2026-02-15"),
    ("2025-12-31", "2026-02-01"),
    ("2025-11-01", "2026-03-31"),
    ("2030-01-01", "2030-12-31"),
]


@pytest.fixture
def used(db: None, acme: Tenant) -> Iterator[Tenant]:
    """By two people in five months, more at the ends of each."""
    chance = random.Random(5)
    days = [date(2025, 11, 1) + timedelta(n) for n in range(151)]
    chosen = [day for day in days if (day + timedelta(1)).day <= 2]
    chosen += chance.choices(days, k=20)
    with entered(acme.scope):
        agent = Agent.objects.get(slug="assistant").pk
        for number, day in enumerate(chosen):
            now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            with patch.object(timezone, "now", return_value=now):
                record_calls(
                    CallMade(
                        subject=Subject(
                            user_id=person(acme, chance.choice(["member", "owner"])).pk,
                            agent_id=agent,
                            model=chance.choice(["a/one", "b/two"]),
                            turn_id=f"turn-{number}",
                        ),
                        usage=Usage(chance.randint(1, 99), 7),
                        price=chance.choice([ONE, None]),
                        status=chance.choice(["done", "failed"]),
                        ttft_ms=None,
                        duration_ms=1,
                    )
                )
        yield acme


def counted(first: date, last: date, group: Group) -> dict[Any, tuple[int, Decimal]]:
    """Tokens and cost, by hand from the ledger."""
    sums: dict[Any, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for row in UsageRecord.objects.all():
        day = row.created_at.date()
        key = {
            "day": str(day),
            "month": f"{day:%Y-%m}",
            "user": str(row.user_id),
            "agent": str(row.agent_id),
            "model": row.model,
            "key": None,
        }[group]
        if first <= day <= last:
            tokens, cost = sums[key]
            sums[key] = (tokens + row.total_tokens, cost + (row.cost or 0))
    return dict(sums)


@pytest.mark.parametrize("group", GROUPS)
def test_sums_over_any_days_are_those_of_the_ledger(used: Tenant, group: Group) -> None:
    assert differences() == []
    for span in SPANS:
        first, last = map(date.fromisoformat, span)
        totals, rows = summarise(Used.by_all(first, last), group)
        found = {row["key"]: (row["total_tokens"], row["cost"]) for row in rows}
        expected = counted(first, last, group)
        assert found == expected, span
        assert len(found) == len(rows)
        assert totals["total_tokens"] == sum(tokens for tokens, _ in expected.values())
        if group in {"day", "month"}:
            assert [row["key"] for row in rows] == sorted(expected)


def test_months_are_made_again_from_their_days(used: Tenant) -> None:
    kept = list(MonthlyUsage.objects.values_list("month", "user", "total_tokens"))
    MonthlyUsage.objects.filter(month=date(2026, 1, 1)).delete()
    MonthlyUsage.objects.filter(month=date(2026, 2, 1)).update(month=date(2019, 2, 1))
    assert {found.day for found in differences()} == {
        date(2019, 2, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    }
    rebuild()
    assert differences() == []
    again = MonthlyUsage.objects.values_list("month", "user", "total_tokens")
    assert sorted(again) == sorted(kept)


def test_a_member_sees_months_of_their_own_only(used: Tenant) -> None:
    member, owner = person(used, "member"), person(used, "owner")
    year = (date(2025, 11, 1), date(2026, 3, 31))
    everybody = counted(*year, "user")
    mine = {str(member.pk): everybody[str(member.pk)]}
    for whose, expected in (
        (Used.visible_to(member, *year), mine),
        (Used.by_one(member, *year), mine),
        (Used.visible_to(owner, *year), everybody),
    ):
        rows = summarise(whose, "user")[1]
        assert {r["key"]: (r["total_tokens"], r["cost"]) for r in rows} == expected
