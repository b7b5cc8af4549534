"""Reads of the ledger, of roll-ups and of budgets. `visible_to` is the only gate."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from django.apps import apps
from django.db import models
from django.db.models import Case, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Cast, Coalesce

if TYPE_CHECKING:
    from accounts.models import User
    from usage.models import Budget, UsageRecord  # noqa: F401  # in strings

# Everything a roll-up adds up, in the order of its statements.
SUMS: Final = (
    "calls",
    "failures",
    "estimated_calls",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "total_tokens",
    "unpriced_tokens",
    "cost",
    "first_tokens",
    "ttft_ms",
    "duration_ms",
)

Sums = dict[str, Any]


class _UsageQuerySet(models.QuerySet[Any]):
    """Of roll-ups."""

    def visible_to(self, user: User) -> Self:
        """Members see what they used themselves, admins everything."""
        return self if user.is_admin else self.filter(user=user)

    def totals(self) -> Sums:
        """Each of SUMS, 0 where there is nothing."""
        return self.aggregate(**{name: _sum(name) for name in SUMS})

    def grouped_by(self, *fields: str) -> list[Sums]:
        """A row for each value of the fields, with the fields and each of SUMS."""
        sums = {f"sum_{name}": _sum(name) for name in SUMS}
        rows = self.order_by(*fields).values(*fields).annotate(**sums)
        return [{k.removeprefix("sum_"): v for k, v in row.items()} for row in rows]


class DailyUsageQuerySet(_UsageQuerySet):
    def between(self, first: date, last: date) -> DailyUsageQuerySet:
        """Both days included."""
        return self.filter(day__gte=first, day__lte=last)


class MonthlyUsageQuerySet(_UsageQuerySet):
    def between(self, first: date, last: date) -> MonthlyUsageQuerySet:
        """The months that begin on these days or in between."""
        return self.filter(month__gte=first, month__lte=last)


def _sum(name: str) -> Coalesce:
    """As the field's own type: PostgreSQL adds bigints up to a numeric."""
    field = models.BigIntegerField()
    if name == "cost":
        return Coalesce(Sum(name), Decimal(0))
    return Coalesce(Cast(Sum(name), field), 0)


class BudgetQuerySet(models.QuerySet["Budget"]):
    def applying_to(self, user: User) -> BudgetQuerySet:
        """The tenant's, the person's own, and those of the person's keys."""
        keys = apps.get_model("accounts", "ApiKey").objects.filter(user=user)
        return self.filter(
            Q(scope="tenant")
            | Q(scope="user", subject_id=user.pk)
            | Q(scope="key", subject_id__in=keys.values("pk"))
        )

    def with_current_period(self, today: date) -> BudgetQuerySet:
        """Adds `period_` and each of spent_tokens, spent_cost, reserved_tokens and
        reserved_cost; 0 before the period's first turn."""
        start = Case(
            When(period="month", then=Value(today.replace(day=1))),
            default=Value(today),
        )
        periods = apps.get_model("usage", "BudgetPeriod").objects.filter(
            budget=OuterRef("pk"), start=OuterRef("period_start")
        )
        names = ("spent_tokens", "spent_cost", "reserved_tokens", "reserved_cost")
        return self.annotate(period_start=start).annotate(
            **{
                f"period_{name}": Coalesce(
                    Subquery(periods.values(name)[:1]),
                    Decimal(0) if name.endswith("cost") else 0,
                )
                for name in names
            }
        )


class LedgerQuerySet(models.QuerySet["UsageRecord"]):
    """Reads only: nothing in bulk either."""

    def visible_to(self, user: User) -> LedgerQuerySet:
        """Members see what they used themselves, admins everything."""
        return self if user.is_admin else self.filter(user=user)

    def between(self, start: datetime, end: datetime) -> LedgerQuerySet:
        """From the first moment on, before the last one."""
        return self.filter(created_at__gte=start, created_at__lt=end)

    def update(self, **changes: Any) -> NoReturn:
        raise TypeError("Usage records are append-only; write a correction.")

    def delete(self) -> NoReturn:
        raise TypeError("Usage records are never deleted.")
