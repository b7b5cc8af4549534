"""The pages of usage: plain sync views."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from accounts.models import ApiKey, User
from usage.charts import chart
from usage.models import Budget
from usage.periods import month_of, today
from usage.summaries import Used, summarise
from usage.templatetags.usage_figures import count, money, percent_of


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What one used oneself, admins too: everybody's is in the admin."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    now = today()
    month = month_of(now.first, now.zone)
    of_today = Used.by_one(request.user, now.first, now.last)
    of_month = Used.by_one(request.user, month.first, month.last)
    totals, days = summarise(of_month, "day")
    return render(
        request,
        "usage/home.html",
        {
            "today": summarise(of_today, "day")[0],
            "month": totals,
            "budgets": _budgets(request.user, now.first),
            "days": days,
            "chart": chart(days, month),
            "agents": summarise(of_month, "agent")[1],
            "models": summarise(of_month, "model")[1],
        },
    )


def _budgets(user: User, day: date) -> list[Budget]:
    """With `label`, and `lefts`: for each limit how much of it is used and left."""
    found = Budget.objects.applying_to(user).with_current_period(day)
    budgets: list[Any] = list(found.order_by("scope", "period"))
    keys = dict(ApiKey.objects.filter(user=user).values_list("pk", "name"))
    for budget in budgets:
        budget.label = {
            Budget.Scope.TENANT: budget.get_scope_display(),
            Budget.Scope.USER: gettext("You"),
        }.get(budget.scope) or keys[budget.subject_id]
        limits = (
            (
                budget.limit_tokens,
                budget.period_spent_tokens,
                count,
                f" {gettext('tokens')}",
            ),
            (budget.limit_cost, budget.period_spent_cost, money, ""),
        )
        budget.lefts = [
            {
                "percent": percent_of(spent, limit),
                "left": shown(max(limit - spent, 0)),
                "limit": f"{shown(limit)}{unit}",
            }
            for limit, spent, shown, unit in limits
            if limit is not None
        ]
    return budgets
