"""Versions of a provider's key, and how many turns still run on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from agents.models import Credential, Provider


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a key. `current` is the one that new turns take."""

    version: int
    created_at: datetime
    revoked_at: datetime | None
    current: bool
    running_turns: int


def versions_of(provider: Provider) -> list[Version]:
    """Newest first."""
    count: Callable[[], dict[int, int]] = import_string(settings.RUNNING_BY_CREDENTIAL)
    running = count()
    credentials = list(provider.credentials.order_by("-version"))
    newest = next((each for each in credentials if not each.revoked_at), None)
    return [_version(each, newest, running) for each in credentials]


def _version(
    each: Credential, newest: Credential | None, running: dict[int, int]
) -> Version:
    return Version(
        version=each.version,
        created_at=each.created_at,
        revoked_at=each.revoked_at,
        current=each == newest,
        running_turns=running.get(each.pk, 0),
    )
