"""Sums for pages, for the API and for bills, all from the roll-ups."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from django.db.models import QuerySet

from accounts.models import ApiKey, User
from agents.models import Agent
from usage.querysets import SUMS, DailyUsageQuerySet, Sums

Group = Literal["day", "month", "user", "agent", "model", "key"]
GROUPS: Final[tuple[Group, ...]] = ("day", "month", "user", "agent", "model", "key")
_FIELDS: Final[dict[Group, str]] = {
    "day": "day",
    "month": "day",
    "user": "user_id",
    "agent": "agent_id",
    "model": "model",
    "key": "api_key_id",
}


def summarise(rows: DailyUsageQuerySet, group: Group) -> tuple[Sums, list[Sums]]:
    """Totals, and a row for each group with `key` (an id as text, a day, a model; None
    for calls that have none) and `label`; days in order, others the largest first."""
    field = _FIELDS[group]
    found = rows.grouped_by(field)
    if group == "month":
        found = _by_month(found)
    totals = {name: sum(row[name] for row in found) for name in SUMS}
    totals["cost"] = Decimal(totals["cost"])  # of no rows the sum is an int
    labels = _labels(group, {row[field] for row in found})
    results: list[Sums] = []
    for row in found:
        key = _key(group, row.pop(field))
        label = labels.get(key, key or "none")
        results.append({"key": key, "label": label, **shown(row)})
    if group not in {"day", "month"}:
        results.sort(key=lambda row: (-row["cost"], -row["total_tokens"]))
    return shown(totals), results


def _by_month(days: list[Sums]) -> list[Sums]:
    """Added up here: PostgreSQL would look for the month of every row."""
    months: dict[date, Sums] = {}
    for day in days:
        month = months.setdefault(day["day"].replace(day=1), dict.fromkeys(SUMS, 0))
        for name in SUMS:
            month[name] += day[name]
    return [{"day": first, **sums} for first, sums in months.items()]


def shown(row: Sums) -> Sums:
    """Averages in place of sums of times, None where there is nothing to average."""
    sums = dict(row)
    first_tokens, calls = sums["first_tokens"], sums["calls"]
    sums["ttft_ms_avg"] = (
        round(sums["ttft_ms"] / first_tokens) if first_tokens else None
    )
    sums["duration_ms_avg"] = round(sums["duration_ms"] / calls) if calls else None
    return sums


def _key(group: Group, value: Any) -> str | None:
    if value is None:
        return None
    return f"{value:%Y-%m}" if group == "month" else str(value)


def _labels(group: Group, ids: set[Any]) -> dict[str | None, str]:
    """What people call them, as far as they are still there."""
    rows: QuerySet[Any]
    match group:
        case "user":
            rows = User.objects.filter(pk__in=ids)
        case "agent":
            rows = Agent.objects.filter(pk__in=ids)
        case "key":
            rows = ApiKey.objects.filter(pk__in=ids)
        case _:
            return {}
    return {str(row.pk): str(row) for row in rows}
