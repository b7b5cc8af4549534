"""The start page of the tenant's admin: what happened today (UTC), from the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Avg, Count, Max, Q, Sum
from django.http import HttpRequest
from django.utils import timezone

from usage.models import UsageRecord
from usage.pricing import cost_text

_ROWS = 5


def add_today(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK."""
    now = timezone.now()
    today = UsageRecord.objects.filter(created_at__gte=_midnight(now))
    totals = today.aggregate(
        turns=Count("pk"),
        failed=Count("pk", filter=Q(status__in=["failed", "interrupted"])),
        tokens=Sum("total_tokens", default=0),
        spent=Sum("cost"),
        unpriced=Count("pk", filter=Q(cost=None)),
        people=Count("user", distinct=True),
    )
    totals["spent"] = cost_text(totals["spent"])
    models = (
        today.values("model")
        .annotate(
            turns=Count("pk"),
            failed=Count("pk", filter=Q(status="failed")),
            ttft=Avg("ttft_ms"),
            longest=Max("duration_ms"),
        )
        .exclude(ttft=None)
        .order_by("-ttft")
    )
    failures = today.filter(status__in=["failed", "interrupted"])
    return {
        **context,
        "today": totals,
        "slowest": models[:_ROWS],
        "failures": failures[:_ROWS],
    }


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
