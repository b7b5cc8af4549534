"""django-tenants' engine, led by tenants.db.current instead of by set_tenant().

The search_path is the tenant's schema plus `extensions`, without public: a table
missing in a tenant must fail and not silently fall through to a shared one.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.conf import settings
from django_tenants.postgresql_backend import base
from psycopg import sql

from tenants.db import EXPLICIT, NoTenantError, Scope, current


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # untyped package
    @property
    def pool(self) -> Any:
        """Django's, which looks at each connection that it gives: it is alive, and
        forgets in the same round trip what its last user did."""
        pool = super().pool
        if pool is not None:
            # Django passes a check of its own and has no way to another one.
            pool._check = _begin_session
        return pool

    def connect(self) -> None:
        # A new connection has the server's search_path, whatever we did to the last.
        self.search_path_set_schemas = None
        super().connect()
        if self.pool is not None and _tenant() is not None:
            self._follow()
            self.search_path_set_schemas = self._get_cursor_search_paths()

    def _cursor(self, name: str | None = None) -> Any:
        self._follow()
        return super()._cursor(name)

    def chunked_cursor(self) -> Any:
        self._follow()
        return super().chunked_cursor()

    def set_schema(
        self,
        schema_name: str,
        include_public: bool = False,
        tenant_type: str | None = None,
    ) -> None:
        # django-tenants' migrations ask for public in the path; see the header.
        super().set_schema(schema_name, include_public=False, tenant_type=tenant_type)

    def _follow(self) -> None:
        scope = current.get()
        if scope is EXPLICIT:
            return
        if scope is None:
            raise NoTenantError(
                "The database was used without a tenant. In async code go through "
                "tenants.db.unit; in commands use tenants.db.entered."
            )
        if scope.schema_name != self.schema_name or self.include_public_schema:
            self.set_tenant(scope, include_public=False)


def _tenant() -> Scope | None:
    """The scope that a connection can be given to at once."""
    scope = current.get()
    return None if scope is EXPLICIT else scope


def _begin_session(connection: psycopg.Connection[Any]) -> None:
    """Runs on each connection that leaves the pool, in the borrower's thread.

    Without a tenant the startup's search_path is in force, in which no table is found:
    whoever forgets to choose one must not see the last one's. Raises psycopg.Error when
    the connection is dead.
    """
    connection.autocommit = True
    scope = _tenant()
    if scope is None:
        connection.execute("RESET ALL")
        return
    path = map(sql.Identifier, [scope.schema_name, *settings.PG_EXTRA_SEARCH_PATHS])
    connection.execute(
        sql.SQL("RESET ALL; SET search_path = {}").format(sql.SQL(", ").join(path))
    )
