"""Writes: people and keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext

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
    *,
    email: str,
    password: str | None = None,
    name: str = "",
    role: str = User.Role.MEMBER,
) -> User:
    """A person of the current tenant.

    Raises django's ValidationError for a malformed or taken address, an unknown role
    or a password that the validators refuse.
    """
    email = email.strip().lower()
    validate_email(email)
    if role not in User.Role.values:
        raise ValidationError(gettext("There is no role “%(name)s”.") % {"name": role})
    if User.objects.filter(email__iexact=email).exists():
        raise ValidationError(_taken(email))
    if password:
        validate_password(password, User(email=email))
    try:
        with transaction.atomic():
            return User.objects.create_user(email, password, name=name, role=role)
    except IntegrityError as error:  # somebody else was faster
        raise ValidationError(_taken(email)) from error


def _taken(email: str) -> str:
    return gettext("%(email)s already has an account here.") % {"email": email}


@transaction.atomic
def update_user(*, user: User, **changes: Any) -> None:
    """Change `email`, `name`, `role` or `is_active` of a person.

    Raises django's ValidationError if nobody would be left who owns the tenant.
    """
    # Locked in one order: two owners who demote each other at once wait here, and
    # the second one is refused.
    owners = User.objects.active_owners().select_for_update().order_by("pk")
    others = [owner for owner in owners if owner.pk != user.pk]
    # What another admin has changed meanwhile stays.
    current = User.objects.select_for_update().get(pk=user.pk)
    was_owner = current.is_active and current.role == User.Role.OWNER
    for name, value in changes.items():
        setattr(user, name, value)
    user.email = user.email.strip().lower()
    user.full_clean(exclude=["password"])
    stays_owner = (
        changes.get("is_active", current.is_active)
        and changes.get("role", current.role) == User.Role.OWNER
    )
    if was_owner and not stays_owner and not others:
        raise ValidationError(
            gettext("This is the last active owner. Make somebody else an owner first.")
        )
    user.save(update_fields=list(changes))


@transaction.atomic
def set_password(*, user: User, password: str) -> None:
    """Signs the person out everywhere. Raises django's ValidationError for a password
    that the validators refuse."""
    current = User.objects.select_for_update().get(pk=user.pk)
    try:
        validate_password(password, current)
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from error
    current.set_password(password)
    current.save(update_fields=["password"])


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


def end_other_sessions(*, user: User, current: str) -> None:
    """Sign the person out everywhere but in the session `current`."""
    for session in UserSession.objects.filter(user=user).exclude(session_key=current):
        session.end()
