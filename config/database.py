"""Turns DATABASE_URL into Django's connection settings, with the pool of tenancy.

A connection begins with its search_path on pg_catalog, and tenants.postgresql brings it
back there: whoever forgets to choose a tenant finds no table at all.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

_RENAMED = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
_LIVENESS = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",  # milliseconds
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
# What RESET ALL returns to: server-side defaults of this session.
_SESSION_DEFAULTS = "-c search_path=pg_catalog -c timezone=UTC"


def connection_settings(url: str, *, pool_size: int) -> dict[str, Any]:
    """Django's settings for the PostgreSQL at `url` (a libpq URI).

    Raises ImproperlyConfigured if the URL is missing or cannot be read; the message
    does not repeat it, since it may hold a password.
    """
    if not url:
        raise ImproperlyConfigured(
            "DATABASE_URL is not set. `make run` and manage.py start the embedded "
            "PostgreSQL by themselves; other servers need DATABASE_URL."
        )
    try:
        parts = dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError as error:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a PostgreSQL address "
            "(postgresql://user:password@host:5432/name)."
        ) from error
    settings: dict[str, Any] = {
        name: str(parts.pop(key)) for key, name in _RENAMED.items() if parts.get(key)
    }
    settings["PORT"] = str(parts.pop("port", "") or "")
    options: dict[str, Any] = {
        key: value for key, value in parts.items() if value is not None
    }
    # A server that falls silent without a word: seconds, not TCP's many minutes.
    for name, value in _LIVENESS.items():
        options.setdefault(name, value)
    options["options"] = f"{options.pop('options', '')} {_SESSION_DEFAULTS}".strip()
    options["pool"] = {
        "min_size": 1,
        "max_size": pool_size,
        "timeout": 5,
        "num_workers": 2,
        # Give up soon and let the next borrower try: the default waits, longer and
        # longer, up to minutes after the server is back.
        "reconnect_timeout": 4,
    }
    return {
        "ENGINE": "tenants.postgresql",
        # A connection from before a restart must not fail the one who borrows it.
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 0,  # the pool keeps connections, Django must hand them back
        **settings,
        "OPTIONS": options,
    }
