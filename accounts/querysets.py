"""Reads of accounts, and the one way a user row is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db.models import QuerySet
from knox.models import AuthTokenManager

if TYPE_CHECKING:
    from accounts.models import ApiKey, User


class UserManager(BaseUserManager["User"]):
    """E-mail addresses are compared without regard to case."""

    def active_owners(self) -> QuerySet[User]:
        return self.filter(role="owner", is_active=True)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)

    def create_user(
        self, email: str, password: str | None = None, **fields: Any
    ) -> User:
        """Without a password the account cannot sign in until it is reset."""
        user = self.model(email=email.strip().lower(), **fields)
        if password:
            user.set_password(password)
        else:
            user.set_unusable_password()
        user.save(using=self._db)
        return user


class ApiKeyManager(AuthTokenManager):  # type: ignore[misc]  # untyped package
    def visible_to(self, user: User) -> QuerySet[ApiKey]:
        """One's own; nobody else's, not even for admins."""
        own: QuerySet[ApiKey] = self.filter(user=user)
        return own
