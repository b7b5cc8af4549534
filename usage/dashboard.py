"""The start page of the tenant's admin: what happened today, in the tenant's time
zone."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from usage.models import DailyUsage, UsageRecord
from usage.periods import today
from usage.summaries import summarise

# Of models and of failures; the page says of how many.
_ROWS = 8


def add_today(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK."""
    now = today()
    rows = DailyUsage.objects.between(now.first, now.last)
    totals, models = summarise(rows, "model")
    models.sort(key=lambda row: (-row["failures"], -(row["ttft_ms_avg"] or 0)))
    failures = UsageRecord.objects.between(now.start, now.end).filter(
        status__in=["failed", "interrupted"]
    )
    return {
        **context,
        "day": now,
        "today": totals,
        "people": rows.order_by().values("user").distinct().count(),
        "models": models[:_ROWS],
        "all_models": len(models),
        "failures": failures[:_ROWS],
    }
