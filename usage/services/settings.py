"""A tenant's way of counting."""

from __future__ import annotations

from django.db import transaction

from usage.models import UsageSettings
from usage.services.rebuilding import rebuild


def save_settings(*, settings: UsageSettings) -> None:
    """Save the one row; if days begin elsewhere now, make the roll-ups again, day by
    day after the commit. A process that dies on the way leaves that to the command
    roll_up_usage."""
    before = UsageSettings.current().time_zone
    settings.pk = 1
    settings.full_clean(validate_unique=False, validate_constraints=False)
    settings.save()
    if settings.time_zone != before:
        transaction.on_commit(_rebuild)


def _rebuild() -> None:
    rebuild()
