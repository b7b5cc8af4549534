"""django-tenants' engine, led by tenants.db.current instead of by set_tenant().

The search_path is the tenant's schema plus `extensions`, without public: a table
missing in a tenant must fail and not silently fall through to a shared one.
"""

from __future__ import annotations

from typing import Any

from django_tenants.postgresql_backend import base

from tenants.db import EXPLICIT, NoTenantError, current


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # untyped package
    def connect(self) -> None:
        # A new connection has the server's search_path, whatever we did to the last.
        self.search_path_set_schemas = None
        super().connect()

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
