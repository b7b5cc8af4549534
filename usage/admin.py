"""The tenant's admin: the ledger and its sums to read, prices, budgets and settings."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import DecimalField, Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from agents.models import Agent
from tenants.adminsite import ModelAdmin
from usage.forms import AmountField, BudgetForm, SettingsForm
from usage.models import Budget, DailyUsage, PriceRule, UsageRecord, UsageSettings
from usage.periods import month_of, today
from usage.services.budgets import delete_budget, save_budget
from usage.services.settings import save_settings
from usage.templatetags.usage_figures import count, money, percent_of


class ReadOnlyAdmin(ModelAdmin[Any]):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


_AMOUNTS: dict[type[Field[Any, Any]], dict[str, Any]] = {
    DecimalField: {"form_class": AmountField}
}


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    """A correction is made by the command correct_usage."""

    when_empty = _(
        "Nothing was asked of a model yet. Each call stands here once it is over."
    )
    list_display = [
        "created_at",
        "user",
        "agent",
        "kind",
        "model",
        "total_tokens",
        "cost",
        "estimated",
        "status",
        "ttft_ms",
        "duration_ms",
    ]
    list_filter = [
        *("kind", "status", "estimated", "model"),
        *("user", "agent", "api_key", "created_at"),
    ]
    list_select_related = ["user", "agent"]
    search_fields = ["conversation_id", "message_id", "turn_id", "model"]
    date_hierarchy = "created_at"
    show_full_result_count = False


@admin.register(DailyUsage)
class DailyUsageAdmin(ReadOnlyAdmin):
    when_empty = _("Nothing was asked of a model yet. The sums of each day stand here.")
    list_display = [
        *("day", "user", "agent", "api_key", "model", "kind", "calls", "failures"),
        *("total_tokens", "unpriced_tokens", "cost", "first_token", "duration"),
    ]
    list_filter = ["kind", "model", "user", "agent", "api_key"]
    list_select_related = ["user", "agent", "api_key"]
    search_fields = ["model", "user__email", "agent__name"]
    list_per_page = 50
    date_hierarchy = "day"

    @admin.display(description=_("mean time to first token (ms)"))
    def first_token(self, row: DailyUsage) -> int | None:
        return round(row.ttft_ms / row.first_tokens) if row.first_tokens else None

    @admin.display(description=_("mean duration (ms)"))
    def duration(self, row: DailyUsage) -> int | None:
        return round(row.duration_ms / row.calls) if row.calls else None


@admin.register(PriceRule)
class PriceRuleAdmin(ModelAdmin[PriceRule]):
    when_empty = _(
        "Costs are counted by LiteLLM's list of prices. Add a price where yours "
        "differs or the list has none."
    )
    list_display = [
        "model",
        "effective_from",
        "input_per_million",
        "cached_input_per_million",
        "output_per_million",
        "reasoning_per_million",
    ]
    search_fields = ["model"]
    date_hierarchy = "effective_from"
    formfield_overrides = _AMOUNTS


@admin.register(Budget)
class BudgetAdmin(ModelAdmin[Budget]):
    when_empty = _(
        "There is no limit to what may be used. Add a budget for everybody, a "
        "person, an agent or a key."
    )
    list_display = ["subject", "period", "limits", "used", "state"]
    list_filter = ["scope", "period"]
    formfield_overrides = _AMOUNTS
    # What one scope needs is in the way of the others.
    conditional_fields = {
        "person": "scope == 'user'",
        "agent": "scope == 'agent'",
        "key": "scope == 'key'",
    }
    fields = ["scope", "person", "agent", "key", "period", "limit_tokens", "limit_cost"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        return Budget.objects.with_current_period(today().first)

    def get_form(
        self,
        request: HttpRequest,
        obj: Budget | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[forms.ModelForm[Budget]]:
        """Whom and which period a budget is for does not change."""
        if obj is None:
            kwargs["form"] = BudgetForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Budget | None = None) -> Any:
        if obj is None:
            return self.fields
        limits = ["limit_tokens", "limit_cost"]
        return ["scope", "subject", "period", *limits, "left", "resets"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Budget | None = None
    ) -> Any:
        return ["scope", "subject", "period", "left", "resets"] if obj else []

    def save_model(
        self, request: HttpRequest, obj: Budget, form: Any, change: bool
    ) -> None:
        """A new one was saved by its form."""
        if change:
            save_budget(budget=obj)

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        delete_budget(budget=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> None:
        for budget in queryset:
            delete_budget(budget=budget)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """With the names of whom they are for, asked for once."""
        found = super().get_changelist_instance(request)
        names = _names_of(found.result_list)
        for budget in found.result_list:
            budget.names = names
        return found

    @admin.display(description=_("for"))
    def subject(self, budget: Budget) -> str:
        if budget.scope not in _KINDS:
            return gettext("everybody")
        names = getattr(budget, "names", None) or _names_of([budget])
        gone = gettext("%(what)s %(number)s, which is gone") % {
            "what": budget.get_scope_display(),
            "number": budget.subject_id,
        }
        return str(names.get((budget.scope, budget.subject_id), gone))

    @admin.display(description=_("limits"))
    def limits(self, budget: Budget) -> str:
        return _both(limit for limit, *_rest in _limits(budget))

    @admin.display(description=_("used in this period"))
    def used(self, budget: Budget) -> str:
        return _both(
            gettext("%(share)d %% of %(limit)s") % {"share": share, "limit": limit}
            for limit, share, _left in _limits(budget)
        )

    @admin.display(description=_("left in this period"))
    def left(self, budget: Budget) -> str:
        """Running replies hold something that they may give back."""
        text = gettext("%(left)s of %(limit)s (%(share)d %% used)")
        lefts = ", ".join(
            text % {"left": left, "limit": limit, "share": share}
            for limit, share, left in _limits(budget)
        )
        held: int = getattr(budget, "period_reserved_tokens", 0)
        if held:
            lefts += "; " + gettext("%(tokens)s tokens are held by running replies") % {
                "tokens": count(held)
            }
        return lefts

    @admin.display(description=_("starts anew"))
    def resets(self, budget: Budget) -> str:
        now = today()
        span = month_of(now.first, now.zone) if budget.period == "month" else now
        return f"{span.end:%Y-%m-%d} ({now.zone.key})"

    @admin.display(description=_("state"))
    def state(self, budget: Budget) -> str:
        share = max(share for _limit, share, _left in _limits(budget))
        if share >= 100:
            return gettext("used up")
        return gettext("nearly used up") if share >= 80 else gettext("ok")


_KINDS: dict[str, type[Model]] = {"user": User, "agent": Agent, "key": ApiKey}


def _names_of(budgets: Iterable[Budget]) -> dict[tuple[str, int | None], str]:
    """By scope and id."""
    wanted: dict[str, set[int | None]] = {scope: set() for scope in _KINDS}
    for budget in budgets:
        wanted.get(budget.scope, set()).add(budget.subject_id)
    return {
        (scope, row.pk): str(row)
        for scope, ids in wanted.items()
        if ids
        for row in _KINDS[scope]._default_manager.filter(pk__in=ids)
    }


def _both(limits: Iterable[str]) -> str:
    """One limit, or that in tokens and that in money."""
    return gettext(" and ").join(limits)


def _limits(budget: Budget) -> list[tuple[str, int, str]]:
    """Each limit in words, how many percent of it are used, and what is left."""
    spent_tokens: int = getattr(budget, "period_spent_tokens", 0)
    spent_cost: Decimal = getattr(budget, "period_spent_cost", Decimal(0))
    found = []
    if budget.limit_tokens is not None:
        share = percent_of(spent_tokens, budget.limit_tokens)
        left = count(max(0, budget.limit_tokens - spent_tokens))
        limit = gettext("%(number)s tokens") % {"number": count(budget.limit_tokens)}
        found.append((limit, share, left))
    if budget.limit_cost is not None:
        share = percent_of(spent_cost, budget.limit_cost)
        left = money(max(Decimal(0), budget.limit_cost - spent_cost))
        found.append((money(budget.limit_cost), share, left))
    return found


@admin.register(UsageSettings)
class UsageSettingsAdmin(ModelAdmin[UsageSettings]):
    """One row: its list leads to it."""

    form = SettingsForm

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        if UsageSettings.objects.exists():
            return redirect("admin:usage_usagesettings_change", 1)
        return redirect("admin:usage_usagesettings_add")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not UsageSettings.objects.exists()

    def has_delete_permission(
        self, request: HttpRequest, obj: UsageSettings | None = None
    ) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: UsageSettings, form: Any, change: bool
    ) -> None:
        save_settings(settings=obj)
