"""Writes: people and keys."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils import timezone

from accounts.models import ApiKey, User
from tenants.services import NewTenant

# A key that is used all day writes its time of use once in this span.
LAST_USED_STEP = timedelta(minutes=1)


def provision_tenant(new: NewTenant) -> None:
    """The owner of a tenant that is being made (settings.TENANT_PROVISIONERS)."""
    create_user(
        email=new.owner_email, password=new.owner_password, role=User.Role.OWNER
    )


def create_user(
    *, email: str, password: str | None = None, role: str = User.Role.MEMBER
) -> User:
    """A person of the current tenant.

    Raises django's ValidationError for a malformed or taken address, an unknown role
    or a password that the validators refuse.
    """
    email = email.strip().lower()
    validate_email(email)
    if role not in User.Role.values:
        raise ValidationError(f"There is no role “{role}”.")
    if User.objects.filter(email__iexact=email).exists():
        raise ValidationError(f"{email} already has an account here.")
    if password:
        validate_password(password, User(email=email))
    return User.objects.create_user(email, password, role=role)


def create_api_key(*, user: User, name: str = "") -> tuple[ApiKey, str]:
    """The row, and the key itself, which cannot be had again."""
    key: ApiKey
    key, secret = ApiKey.objects.create(user=user, name=name.strip()[:100])
    return key, secret


def mark_used(*, key: ApiKey) -> None:
    """Remember that the key was used, without a write for each request."""
    now = timezone.now()
    ApiKey.objects.filter(pk=key.pk).filter(
        models.Q(last_used_at=None) | models.Q(last_used_at__lt=now - LAST_USED_STEP)
    ).update(last_used_at=now)
