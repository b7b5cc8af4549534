"""The start page of the tenant's admin: what happened today, in the tenant's time
zone."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpRequest

from usage.models import UsageRecord
from usage.periods import today
from usage.summaries import Used, summarise

# Of models and of failures; the page says of how many.
_ROWS = 8


def add_today(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK."""
    now = today()
    totals, models = summarise(Used.by_all(now.first, now.last), "model")
    models.sort(key=lambda row: (-row["failures"], -(row["ttft_ms_avg"] or 0)))
    records = UsageRecord.objects.between(now.start, now.end)
    failures = records.filter(status__in=["failed", "interrupted"])
    # A turn calls models several times where it uses tools; and we call some ourselves.
    replies = records.filter(kind=UsageRecord.Kind.REPLY)
    return {
        **context,
        "day": now,
        "today": totals,
        **replies.aggregate(
            turns=Count("turn_id", distinct=True), people=Count("user", distinct=True)
        ),
        "models": models[:_ROWS],
        "all_models": len(models),
        "failures": failures[:_ROWS],
    }
