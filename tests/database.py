"""The tests' PostgreSQL: one server for the session, one database for each worker.

The first worker to come builds a template (migrated, two tenants with their cast), the
others copy it. `Baseline` brings a database back to that state after a test that
committed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection, connections
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import LockNotAvailable

from config.database import connection_settings
from config.postgres import EmbeddedPostgres
from config.settings_test import NO_DATABASE
from tenants.db import EXPLICIT, close_pools, entered
from tests.factories import make_tenant_with_cast

TENANTS = ("acme", "globex")
# Filled by migrations, and never changed by a test.
_FIXED = {"django_migrations", "django_content_type", "auth_permission"}
_LOCK = 7_251
_LOCK_SECONDS = 20


@contextmanager
def own_database(folder: Path, worker: str) -> Iterator[str]:
    """A database of this worker's own, which Django uses inside the block; its URI.

    `folder` is the session's, shared by all workers. DATABASE_URL, when given, names
    the server; its role must be a superuser (`Baseline` needs that).
    """
    given = os.environ["DATABASE_URL"]
    embedded = EmbeddedPostgres(folder / "postgres") if given == NO_DATABASE else None
    server = embedded.join() if embedded else given
    name, template = f"{folder.name}-{worker}", f"{folder.name}-template"
    url = _with_database(server, name)
    try:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            if not _exists(admin, template):
                if embedded:  # nobody needs these rows after a power cut
                    admin.execute("ALTER SYSTEM SET fsync = off")
                    admin.execute("SELECT pg_reload_conf()")
                _build(admin, server, template)
            admin.execute(_sql("CREATE DATABASE {} TEMPLATE {}", name, template))
        _use(url)
        yield url
    finally:
        close_pools()
        if embedded:
            embedded.leave()  # its files go with the session's folder
        else:
            _remove(server, name, template)


def _build(admin: psycopg.Connection[Any], server: str, template: str) -> None:
    draft = f"{template}-draft"
    admin.execute(_sql("DROP DATABASE IF EXISTS {}", draft))
    admin.execute(_sql("CREATE DATABASE {}", draft))
    _use(_with_database(server, draft))
    with entered(EXPLICIT):
        call_command("migrate_schemas", "--shared", interactive=False, verbosity=0)
        for slug in TENANTS:
            make_tenant_with_cast(slug)
    close_pools()
    admin.execute(_sql("ALTER DATABASE {} RENAME TO {}", draft, template))


def _use(url: str) -> None:
    """Points Django at another database, in all threads."""
    close_pools()
    connections.settings["default"].update(connection_settings(url, pool_size=8))
    with entered(EXPLICIT):
        # The first connection of a process asks for the server's version; a test's
        # would have no tenant to ask in.
        connection.ensure_connection()
    connection.close()


def _remove(server: str, name: str, template: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        admin.execute(_sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))
        pattern = f"{template.removesuffix('template')}%"
        others = "SELECT count(*) FROM pg_database WHERE datname LIKE %s"
        found = admin.execute(others, [pattern]).fetchone()
        if found == (1,):
            admin.execute(_sql("DROP DATABASE IF EXISTS {}", template))


def _exists(admin: psycopg.Connection[Any], name: str) -> bool:
    known = "SELECT 1 FROM pg_database WHERE datname = %s"
    return admin.execute(known, [name]).fetchone() is not None


def _with_database(url: str, name: str) -> str:
    """The same server's database `name`, as the key=value form libpq also takes."""
    return make_conninfo(url, dbname=name)


def _sql(template: str, *names: str) -> sql.Composed:
    return sql.SQL(template).format(*map(sql.Identifier, names))


class Baseline:
    """The committed state of a worker's database, kept in memory and restored."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._schemas = ["public", *(f"t_{slug}" for slug in TENANTS)]
        self._rows: dict[sql.Composed, bytes] = {}
        with psycopg.connect(url) as open_:
            tables = open_.execute(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname = ANY(%s)",
                [self._schemas],
            ).fetchall()
            self._tables = [
                sql.Identifier(schema, table).as_string()
                for schema, table in tables
                if table not in _FIXED
            ]
            self._saved = {
                table: rows for table in self._tables if (rows := _copy(open_, table))
            }
            self._sequences = open_.execute(
                "SELECT schemaname, sequencename, last_value FROM pg_sequences"
                " WHERE schemaname = ANY(%s)",
                [self._schemas],
            ).fetchall()

    def restore(self) -> None:
        """Every row and every next id as at the start; strange schemas go."""
        with psycopg.connect(self._url) as open_:
            self._lock(open_)
            # No order of foreign keys to keep: the whole is consistent.
            open_.execute("SET session_replication_role = replica")
            for (schema,) in open_.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%%'"
                " AND nspname <> ALL(%s)",
                [self._schemas],
            ).fetchall():
                open_.execute(_sql("DROP SCHEMA {} CASCADE", schema))
            for table in self._tables:
                open_.execute(f"DELETE FROM {table}")  # noqa: S608  # quoted above
            for table, rows in self._saved.items():
                with open_.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                    copy.write(rows)
            for schema, name, last in self._sequences:
                quoted = sql.Identifier(schema, name).as_string()
                open_.execute(
                    "SELECT setval(%s, %s, %s)", [quoted, last or 1, last is not None]
                )

    def _lock(self, open_: psycopg.Connection[Any]) -> None:
        """Until the commit nobody writes. All tables or none: who waited for one while
        holding others would wait for a writer that waits for those."""
        everything = f"LOCK TABLE {', '.join(self._tables)} IN EXCLUSIVE MODE NOWAIT"
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                open_.execute(everything)
            except LockNotAvailable:
                open_.rollback()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return


def _copy(open_: psycopg.Connection[Any], table: str) -> bytes:
    with open_.cursor().copy(f"COPY {table} TO STDOUT") as copy:
        return b"".join(bytes(block) for block in copy)
