"""Installing PostgreSQL's extensions where the database's role may not do it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.core.management import CommandError
from django.db import connection

from tenants.db import EXPLICIT, entered

install = importlib.import_module("tenants.migrations.0002_extensions").install


@contextmanager
def role(name: str) -> Iterator[None]:
    """Inside, the test's connection has only this new role's rights."""
    with entered(EXPLICIT), connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name}")
        cursor.execute(f"SET LOCAL ROLE {name}")
        yield
        cursor.execute("RESET ROLE")


def test_a_second_time_nothing_is_done(db: None) -> None:
    with role("nobody_here"):
        install(None, SimpleNamespace(connection=connection))


def test_a_role_without_the_right_is_told_what_to_run(db: None) -> None:
    with entered(EXPLICIT), connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION unaccent CASCADE")
    with role("nobody_here"), pytest.raises(CommandError) as told:
        install(None, SimpleNamespace(connection=connection))
    steps = [line.strip() for line in str(told.value).splitlines()[1:]]
    assert steps == [
        "CREATE SCHEMA IF NOT EXISTS extensions;",
        "GRANT USAGE ON SCHEMA extensions TO nobody_here;",
        "CREATE EXTENSION unaccent SCHEMA extensions;",
    ]


def test_an_extension_elsewhere_is_not_moved(db: None) -> None:
    with entered(EXPLICIT), connection.cursor() as cursor:
        cursor.execute("ALTER EXTENSION pg_trgm SET SCHEMA public")
        with pytest.raises(CommandError, match="ALTER EXTENSION pg_trgm SET SCHEMA"):
            install(None, SimpleNamespace(connection=connection))
        cursor.execute("ALTER EXTENSION pg_trgm SET SCHEMA extensions")
