"""The one of allauth's forms that must not believe allauth's table of addresses."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.forms import ResetPasswordForm

from accounts.models import User


class PasswordResetForm(ResetPasswordForm):  # type: ignore[misc]  # untyped package
    """Sends to the address an account has now, never to one it had before: an admin
    may have changed it because the old mailbox is in other hands."""

    def clean_email(self) -> str:
        email: str = get_adapter().clean_email(self.cleaned_data["email"].lower())
        self.users = list(User.objects.filter(email__iexact=email, is_active=True))
        return email
