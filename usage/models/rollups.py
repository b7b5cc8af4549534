"""The ledger's sums, kept in the transaction that records a call and made again from
the ledger by the command roll_up_usage."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey
from agents.models import Agent
from usage.models.ledger import UsageRecord
from usage.querysets import DailyUsageQuerySet, MonthlyUsageQuerySet


class _Usage(models.Model):
    """What one person used of one model, with one agent, by one key (None: the pages),
    for one purpose."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    agent = models.ForeignKey(
        Agent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name="API key",
    )
    model = models.CharField(max_length=201)
    kind = models.CharField(max_length=12, choices=UsageRecord.Kind.choices)
    calls = models.BigIntegerField("calls")
    failures = models.BigIntegerField(help_text=_("Failed or interrupted calls."))
    estimated_calls = models.BigIntegerField(help_text=_("Calls that we counted."))
    prompt_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    total_tokens = models.BigIntegerField()
    unpriced_tokens = models.BigIntegerField(
        help_text=_("Part of the total that no known price is for: not in the cost.")
    )
    cost = models.DecimalField(max_digits=24, decimal_places=10)
    first_tokens = models.BigIntegerField(help_text=_("Calls that got a first token."))
    ttft_ms = models.BigIntegerField(help_text=_("Sum of the times to it."))
    duration_ms = models.BigIntegerField(help_text=_("Sum of the calls' durations."))

    class Meta:
        abstract = True


class DailyUsage(_Usage):
    """In one day of the tenant's time zone."""

    day = models.DateField()

    objects: ClassVar[DailyUsageQuerySet] = DailyUsageQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the queryset's verbs

    class Meta:
        ordering = ["-day", "user", "model"]
        verbose_name_plural = "daily usage"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "user", "agent", "api_key", "model", "kind"],
                nulls_distinct=False,
                name="daily_usage_once",
            )
        ]
        indexes = [models.Index(fields=["user", "day"], name="daily_usage_by_user")]

    def __str__(self) -> str:
        return f"{self.day} {self.model}"


class MonthlyUsage(_Usage):
    """In one calendar month: what its days say, added up for those who look back far.
    `month` is its first day."""

    month = models.DateField()

    objects: ClassVar[MonthlyUsageQuerySet] = MonthlyUsageQuerySet.as_manager()  # type: ignore[assignment]  # as above

    class Meta:
        ordering = ["-month", "user", "model"]
        verbose_name_plural = "monthly usage"
        constraints = [
            models.UniqueConstraint(
                fields=["month", "user", "agent", "api_key", "model", "kind"],
                nulls_distinct=False,
                name="monthly_usage_once",
            )
        ]
        indexes = [models.Index(fields=["user", "month"], name="monthly_usage_by_user")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.model}"
