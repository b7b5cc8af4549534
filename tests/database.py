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
from typing import Any, LiteralString

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
    """The committed state of a worker's database, kept beside it and restored.

    On a connection of its own: what it keeps is in temporary tables, and a restoration
    is one script, since a thousand tests wait for it.
    """

    def __init__(self, url: str) -> None:
        self._open = psycopg.connect(url, autocommit=True)
        # No order of foreign keys to keep: the whole is consistent.
        self._open.execute("SET session_replication_role = replica")
        self._open.execute("SET lock_timeout = '20s'")
        self._schemas = ["public", *(f"t_{slug}" for slug in TENANTS)]
        tables = [
            (_quoted(schema, name), name)
            for schema, name in self._all("SELECT schemaname, tablename FROM pg_tables")
            if name not in _FIXED
        ]
        sequences = self._all(
            "SELECT schemaname, sequencename, last_value FROM pg_sequences"
        )
        names = ", ".join(table for table, _ in tables)
        script = ";".join(
            [
                # Until the commit nobody writes. All tables or none: who waited for one
                # while holding others would wait for a writer that waits for those.
                f"BEGIN; LOCK TABLE {names} IN EXCLUSIVE MODE NOWAIT",
                *(f"DELETE FROM {table}" for table, _ in tables),  # noqa: S608
                *(back for table, _ in tables if (back := self._keep(table))),
                *(_next(*sequence) for sequence in sequences),
                "COMMIT",
            ]
        )
        self._script = script.encode()

    def close(self) -> None:
        self._open.close()

    def restore(self) -> bool:
        """Every row and every next id as at the start; strange schemas go. True if a
        tenant or its address had been changed, which running servers remember."""
        changed = self._open.execute(
            "SELECT EXISTS (TABLE public_tenants_tenant EXCEPT"
            " TABLE public.tenants_tenant) OR EXISTS (TABLE public_tenants_domain"
            " EXCEPT TABLE public.tenants_domain)"
        ).fetchone()
        strange = (
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%%'"
            " AND nspname <> ALL(%s)"
        )
        for (schema,) in self._open.execute(strange, [self._schemas]).fetchall():
            self._open.execute(_sql("DROP SCHEMA {} CASCADE", schema))
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                self._open.execute(self._script)
            except LockNotAvailable:
                self._open.rollback()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return changed == (True,)

    def _all(self, select: LiteralString) -> list[tuple[Any, ...]]:
        ours = sql.SQL(select) + sql.SQL(" WHERE schemaname = ANY(%s)")
        return self._open.execute(ours, [self._schemas]).fetchall()

    def _keep(self, table: str) -> str:
        """What brings the table's rows back; nothing if it has none."""
        kept = table.replace('"', "").replace(".", "_")
        self._open.execute(f"CREATE TEMP TABLE {kept} AS TABLE {table}".encode())
        if not self._open.execute(f"TABLE {kept} LIMIT 1".encode()).fetchone():
            return ""
        stored = self._open.execute(
            "SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = ''",
            [table],
        ).fetchone()
        columns = stored[0] if stored else ""
        return (
            f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"  # noqa: S608
            f" SELECT {columns} FROM {kept}"
        )


def _quoted(schema: str, name: str) -> str:
    return sql.Identifier(schema, name).as_string()


def _next(schema: str, name: str, last: int | None) -> str:
    begun = "true" if last is not None else "false"
    quoted = _quoted(schema, name)
    return f"SELECT setval('{quoted}', {last or 1}, {begun})"
