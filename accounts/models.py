"""People and their keys. In the public schema the same table holds the platform's
administrators; in a tenant's schema its members."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from accounts.querysets import ApiKeyManager, UserManager


class User(AbstractBaseUser):  # type: ignore[django-manager-missing]  # knox: untyped
    class Role(models.TextChoices):
        OWNER = "owner", _("Owner")
        ADMIN = "admin", _("Admin")
        MEMBER = "member", _("Member")

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As my device")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class TextSize(models.TextChoices):
        NORMAL = "normal", _("Normal")
        LARGE = "large", _("Large")
        LARGER = "larger", _("Larger")

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text=_("Switched off, the person can no longer sign in or use a key."),
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    theme = models.CharField(
        _("Colours"), max_length=6, choices=Theme.choices, default=Theme.SYSTEM
    )
    text_size = models.CharField(
        _("Size of text"),
        max_length=6,
        choices=TextSize.choices,
        default=TextSize.NORMAL,
    )
    # Empty: whatever the browser asks for.
    language = models.CharField(_("Language"), max_length=10, blank=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_any_case")
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.partition("@")[0]

    @property
    def is_admin(self) -> bool:
        """May configure the tenant."""
        return self.is_active and self.role in {self.Role.OWNER, self.Role.ADMIN}

    # What Django's admin asks. A tenant has one kind of administrator, so there are
    # no per-model permissions to keep.
    @property
    def is_staff(self) -> bool:
        return self.is_admin

    @property
    def is_superuser(self) -> bool:
        return self.is_admin

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_admin

    def has_perms(self, perm_list: object, obj: object = None) -> bool:
        return self.is_admin

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_admin


class ApiKey(AbstractAuthToken):  # type: ignore[misc]  # untyped package
    """A key of one person, kept as a hash; deleting the row revokes it."""

    # knox makes the hash the primary key, which would then stand in addresses.
    digest = models.CharField(max_length=128, unique=True, editable=False)
    name = models.CharField(max_length=100, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[ApiKeyManager] = ApiKeyManager()

    class Meta:
        ordering = ["-created", "-pk"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name or f"{self.token_key}…"
