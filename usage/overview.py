"""A month of the whole workspace, in the tenant's admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET
from rest_framework.exceptions import ValidationError

from usage.charts import chart
from usage.periods import asked_month, today
from usage.summaries import Group, Used, summarise

_SECTIONS: Final[tuple[Group, ...]] = ("model", "user", "agent", "key")
# More are in the statement; the page says so.
_LINES: Final = 50


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """`?month=YYYY-MM`, the current one where none is asked for."""
    try:
        span = asked_month(request.GET.get("month"))
    except ValidationError:
        messages.error(request, gettext("Give a month as 2026-11."))
        return redirect("usage-by-month")
    used = Used.by_all(span.first, span.last)
    totals, days = summarise(used, "day")
    after = span.last + timedelta(1)
    return render(
        request,
        "admin/usage/overview.html",
        {
            **admin.site.each_context(request),
            "title": gettext("Usage by month"),
            "span": span,
            "month": f"{span.first:%Y-%m}",
            "before": f"{span.first - timedelta(1):%Y-%m}",
            "after": f"{after:%Y-%m}" if after <= today().first else None,
            "totals": totals,
            "days": days,
            "chart": chart(days, span),
            "sections": [_section(used, group) for group in _SECTIONS],
        },
    )


def _section(used: Used, group: Group) -> dict[str, Any]:
    lines = summarise(used, group)[1]
    return {"name": group, "all": len(lines), "lines": lines[:_LINES]}
