from django.apps import AppConfig
from django.contrib import admin
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """All admin pages are known by now. allauth's own table of addresses is read
        by nobody here, and changing it would do nothing; sessions are their owners'
        own matter, in their settings."""
        from allauth.account.models import EmailAddress
        from allauth.usersessions.models import UserSession

        admin.site.unregister([EmailAddress, UserSession])
