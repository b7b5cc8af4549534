"""Forms of the admin for budgets and settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelect2Widget

from accounts.models import ApiKey, User
from agents.models import Agent
from usage.models import Budget, UsageSettings
from usage.services.budgets import save_budget

_SUBJECTS: Final = {"user": "person", "agent": "agent", "key": "key"}


class AmountField(forms.DecimalField):
    """Shows what is stored without idle zeros."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class BudgetForm(forms.ModelForm[Budget]):
    """A new budget: whom it is for is chosen by name."""

    person = forms.ModelChoiceField(
        User.objects.order_by("email"),
        required=False,
        widget=UnfoldAdminSelect2Widget,
        label=_("Person"),
        help_text=_("Whatever they use, in pages and by their API keys."),
    )
    agent = forms.ModelChoiceField(
        Agent.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminSelect2Widget,
        label=_("Agent"),
        help_text=_("All people together, as far as they use this agent."),
    )
    key = forms.ModelChoiceField(
        ApiKey.objects.select_related("user"),
        required=False,
        label=_("API key"),
        widget=UnfoldAdminSelect2Widget,
        help_text=_("What programs use with this key."),
    )

    class Meta:
        model = Budget
        fields = ["scope", "period", "limit_tokens", "limit_cost"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name = _SUBJECTS.get(cleaned.get("scope", ""))
        chosen = cleaned.get(name) if name else None
        if name and chosen is None and name not in self.errors:
            self.add_error(name, gettext("Choose whom the budget is for."))
        self.instance.subject_id = chosen.pk if chosen else None
        return cleaned

    def _post_clean(self) -> None:
        """Saves: only while it is validated a refusal can be shown."""
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, not in the stubs
        if not self.errors:
            try:
                save_budget(budget=self.instance)
            except ValidationError as error:
                self.add_error(None, error.messages)


class SettingsForm(forms.ModelForm[UsageSettings]):
    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name) for name in sorted(available_timezones())],
        label=_("Time zone"),
        initial=UsageSettings._meta.get_field("time_zone").default,
        widget=UnfoldAdminSelect2Widget,
        help_text=UsageSettings._meta.get_field("time_zone").help_text,
    )

    class Meta:
        model = UsageSettings
        fields = [
            "time_zone",
            "alert_mail",
            "user_turns_per_minute",
            "key_turns_per_minute",
            "tenant_turns_per_minute",
            "user_streams",
            "tenant_streams",
        ]
