"""The forms of the settings, and the one of allauth's that must not believe allauth's
table of addresses."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ResetPasswordForm
from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class PasswordResetForm(ResetPasswordForm):  # type: ignore[misc]  # untyped package
    """Sends to the address an account has now, never to one it had before: an admin
    may have changed it because the old mailbox is in other hands."""

    def clean_email(self) -> str:
        email: str = get_adapter().clean_email(self.cleaned_data["email"].lower())
        self.users = list(User.objects.filter(email__iexact=email, is_active=True))
        return email


class ProfileForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ["name"]
        labels = {"name": _("Name")}
        help_texts = {"name": _("How Parley and the other people here call you.")}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name"})}


class AppearanceForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ["theme", "text_size"]
        widgets = {"theme": forms.RadioSelect, "text_size": forms.RadioSelect}


class LanguageForm(forms.ModelForm[User]):
    language = forms.ChoiceField(
        label=_("Language"), required=False, widget=forms.RadioSelect
    )

    class Meta:
        model = User
        fields = ["language"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["language"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  # declared above
        field.choices = [("", _("As my browser")), *settings.LANGUAGES]


class NewKeyForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("For what or where it is used."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
