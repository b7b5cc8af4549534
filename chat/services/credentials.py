"""Which versions of providers' keys are in use (settings.RUNNING_BY_CREDENTIAL)."""

from __future__ import annotations

from chat.models import Turn


def running_by_credential() -> dict[int, int]:
    """Running turns of the current tenant by the id of the credential they run on."""
    return Turn.objects.count_by_credential()
