from django.apps import AppConfig
from django.contrib import admin


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """All admin pages are known by now. allauth's own table of addresses is read
        by nobody here, and changing it would do nothing; sessions are their owners'
        own matter, in their settings."""
        from allauth.account.models import EmailAddress
        from allauth.usersessions.models import UserSession

        admin.site.unregister([EmailAddress, UserSession])
