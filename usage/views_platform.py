"""The platform's view of usage: totals by tenant, and nothing of what was said."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from tenants.admin import platform_site
from tenants.db import entered
from tenants.models import Tenant
from usage.models import DailyUsage
from usage.periods import asked_month
from usage.summaries import shown


@require_GET
def totals(request: HttpRequest) -> HttpResponse:
    """One month, each tenant's in its own time zone."""
    rows = []
    for tenant in Tenant.objects.order_by("slug"):
        with entered(tenant.scope):
            span = asked_month(None)
            used = DailyUsage.objects.between(span.first, span.last).totals()
        rows.append({"label": f"{tenant.name} ({tenant.slug})", **shown(used)})
    context = {
        **platform_site.each_context(request),
        "rows": rows,
        "title": gettext("Usage by tenant"),
    }
    return render(request, "platform/usage.html", context)
