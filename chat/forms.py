"""The form of the page on which a conversation is shared."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models import Share

_DAYS = [
    (0, _("Until it is revoked")),
    (1, _("1 day")),
    (7, _("7 days")),
    (30, _("30 days")),
]

_ROLES = [
    (Share.Role.VIEWER, _("Read it")),
    (Share.Role.PARTICIPANT, _("Read and write")),
]


class ShareForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("Share with"), choices=Share.Kind.choices, widget=forms.RadioSelect
    )
    email = forms.EmailField(
        label=_("E-mail address of the person"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "dir": "ltr"}),
    )
    role = forms.ChoiceField(label=_("What they may do"), choices=_ROLES)
    days = forms.TypedChoiceField(label=_("For how long"), choices=_DAYS, coerce=int)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == Share.Kind.PERSON and not cleaned.get("email"):
            self.add_error("email", _("Whose?"))
        return cleaned

    @property
    def whom(self) -> str:
        """As chat.services.sharing takes it."""
        kind: str = self.cleaned_data["kind"]
        email: str = self.cleaned_data["email"]
        return email if kind == Share.Kind.PERSON else kind

    @property
    def role_given(self) -> str:
        """A link is to be read only, whatever else the form was left at."""
        role: str = self.cleaned_data["role"]
        return Share.Role.VIEWER if self.whom == Share.Kind.LINK else role

    @property
    def expires_at(self) -> datetime | None:
        days: int = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None
