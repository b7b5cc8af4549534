"""Sums for pages, for the API and for bills, all from the roll-ups."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Self

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.models import ApiKey, User
from agents.models import Agent
from usage.models import DailyUsage, MonthlyUsage
from usage.querysets import SUMS, DailyUsageQuerySet, MonthlyUsageQuerySet, Sums

Group = Literal["day", "month", "user", "agent", "model", "key"]
GROUPS: Final[tuple[Group, ...]] = ("day", "month", "user", "agent", "model", "key")
_FIELDS: Final[dict[Group, str]] = {
    "user": "user_id",
    "agent": "agent_id",
    "model": "model",
    "key": "api_key_id",
}
# PostgreSQL adds bigints up to a numeric.
_ADDED: Final = ", ".join(
    f"sum({name})" if name == "cost" else f"sum({name})::bigint" for name in SUMS
)


@dataclass(frozen=True, slots=True)
class Used:
    """What was used from one day to another, both included: of whole months the sums
    by month, of the days before and after them those by day."""

    first: date
    last: date
    daily: DailyUsageQuerySet
    monthly: MonthlyUsageQuerySet

    @classmethod
    def by_all(cls, first: date, last: date) -> Self:
        return cls(first, last, DailyUsage.objects.all(), MonthlyUsage.objects.all())

    @classmethod
    def visible_to(cls, user: User, first: date, last: date) -> Self:
        daily = DailyUsage.objects.visible_to(user)
        return cls(first, last, daily, MonthlyUsage.objects.visible_to(user))

    @classmethod
    def by_one(cls, user: User, first: date, last: date) -> Self:
        daily = DailyUsage.objects.filter(user=user)
        return cls(first, last, daily, MonthlyUsage.objects.filter(user=user))

    def by_day(self) -> list[Sums]:
        """Each with its `day`, in their order."""
        return self.daily.between(self.first, self.last).grouped_by("day")

    def by_month(self) -> list[Sums]:
        """Each with its `month`, in their order. The days are added up here: PostgreSQL
        would look for the month of every row."""
        edges, whole = self._parts()
        months: dict[date, Sums] = {}
        if whole is not None:
            months = {row.pop("month"): row for row in whole.grouped_by("month")}
        for edge in edges:
            for day in edge.grouped_by("day"):
                first = day.pop("day").replace(day=1)
                month = months.setdefault(first, dict.fromkeys(SUMS, 0))
                for name in SUMS:
                    month[name] += day[name]
        return [sums | {"month": first} for first, sums in sorted(months.items())]

    def by(self, field: str) -> list[Sums]:
        """One row for each value of the field. In one statement: there may be hundreds
        of people, of whom each part of the time has a row."""
        edges, months = self._parts()
        parts = [
            part.order_by().values_list(field, *SUMS).query.sql_with_params()
            for part in (*edges, months)
            if part is not None
        ]
        union = " UNION ALL ".join(sql for sql, _ in parts)
        columns = (field, *SUMS)
        with transaction.atomic(), connection.cursor() as cursor:
            # To start processes for it takes longer.
            cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
            cursor.execute(
                f"SELECT {field}, {_ADDED} FROM ({union})"  # noqa: S608  # names of columns
                f" AS used ({', '.join(columns)}) GROUP BY {field}",
                [value for _, values in parts for value in values],
            )
            rows = cursor.fetchall()
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _parts(self) -> tuple[list[DailyUsageQuerySet], MonthlyUsageQuerySet | None]:
        """Days outside of whole months, and whole months."""
        begin, after = _first_of_month(self.first), self.last + timedelta(1)
        end = after.replace(day=1)
        if begin >= end:
            return [self.daily.between(self.first, self.last)], None
        edges: list[DailyUsageQuerySet] = []
        if self.first < begin:
            edges.append(self.daily.between(self.first, begin - timedelta(1)))
        if end <= self.last:
            edges.append(self.daily.between(end, self.last))
        return edges, self.monthly.between(begin, end - timedelta(1))


def _first_of_month(day: date) -> date:
    """Of the month that begins with this day or after it."""
    first = day.replace(day=1)
    return first if first == day else (first + timedelta(32)).replace(day=1)


def summarise(used: Used, group: Group) -> tuple[Sums, list[Sums]]:
    """Totals, and a row for each group with `key` (an id as text, a day, a model; None
    for calls that have none) and `label`; days in order, others the largest first."""
    field = _FIELDS.get(group, group)
    match group:
        case "day":
            found = used.by_day()
        case "month":
            found = used.by_month()
        case _:
            found = used.by(field)
    totals = {name: sum(row[name] for row in found) for name in SUMS}
    totals["cost"] = Decimal(totals["cost"])  # of no rows the sum is an int
    labels = _labels(group, {row[field] for row in found})
    results: list[Sums] = []
    for row in found:
        key = _key(group, row.pop(field))
        label = labels.get(key, key or gettext("none"))
        results.append({"key": key, "label": label, **shown(row)})
    if group not in {"day", "month"}:
        results.sort(key=lambda row: (-row["cost"], -row["total_tokens"]))
    return shown(totals), results


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
