"""The database engine follows the scope, and refuses to work without one."""

from __future__ import annotations

import threading
from typing import Any, cast

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django_tenants.utils import schema_context

from accounts.models import User
from tenants.db import EXPLICIT, PUBLIC, NoTenantError, entered, scope
from tenants.models import Tenant
from tests.factories import email_of


def search_path() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        [path] = cursor.fetchone() or [""]
    return str(path)


def emails() -> set[str]:
    return set(User.objects.values_list("email", flat=True))


def cast_of(tenant: Tenant) -> set[str]:
    return {email_of(tenant, name) for name in ("owner", "member", "stranger")}


def fail_in(tenant: Tenant) -> None:
    with entered(tenant.scope), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nonesuch")


def test_the_cast_has_the_same_ids_in_both_tenants(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    ids = []
    for tenant in (acme, globex):
        with entered(tenant.scope):
            assert emails() == cast_of(tenant)
            people = User.objects.order_by("pk").values_list("pk", "email")
            ids.append([(pk, email.partition("@")[0]) for pk, email in people])
    assert ids[0] == ids[1]


def test_without_a_scope_the_database_is_refused(db: None) -> None:
    with pytest.raises(NoTenantError):
        User.objects.count()
    with pytest.raises(NoTenantError):
        connection.cursor()
    with pytest.raises(NoTenantError):
        list(User.objects.iterator())
    with pytest.raises(NoTenantError):
        scope()


def test_a_new_thread_has_no_scope(committed: None, acme: Tenant) -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            User.objects.count()
        except NoTenantError as error:
            caught.append(error)

    with entered(acme.scope):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_scopes_nest(db: None, acme: Tenant, globex: Tenant) -> None:
    with entered(acme.scope):
        with entered(globex.scope):
            assert emails() == cast_of(globex)
            with entered(PUBLIC):
                assert emails() == set()
        assert emails() == cast_of(acme)


def test_a_scope_ends_with_an_error_too(db: None, acme: Tenant, globex: Tenant) -> None:
    with entered(acme.scope):
        with pytest.raises(ZeroDivisionError), entered(globex.scope):
            raise ZeroDivisionError
        assert emails() == cast_of(acme)


def test_nothing_but_the_scope_chooses_the_schema(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    with entered(acme.scope):
        with schema_context(globex.schema_name):
            assert emails() == cast_of(acme)
        cast(Any, connection).set_tenant(globex)
        assert emails() == cast_of(acme)


def test_a_rollback_does_not_lead_into_another_schema(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    with entered(acme.scope):
        assert emails() == cast_of(acme)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            with entered(globex.scope):
                assert emails() == cast_of(globex)
            raise ZeroDivisionError
        assert emails() == cast_of(acme)
        with pytest.raises(ProgrammingError), transaction.atomic():
            fail_in(globex)
        assert emails() == cast_of(acme)


def test_public_is_not_in_a_tenants_path(db: None, acme: Tenant) -> None:
    with entered(acme.scope):
        assert "public" not in search_path()
        assert acme.schema_name in search_path()
        with pytest.raises(ProgrammingError), transaction.atomic():
            Tenant.objects.count()


def test_a_missing_table_does_not_fall_through_to_public(
    db: None, acme: Tenant
) -> None:
    with entered(acme.scope), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user RENAME TO elsewhere")
        with pytest.raises(ProgrammingError, match="accounts_user"):
            User.objects.count()


def test_a_pooled_connection_comes_back_without_a_schema(
    committed: None, acme: Tenant
) -> None:
    with entered(acme.scope):
        assert emails()
        connection.close()
    for _ in range(10):  # whichever of the pool it is
        with cast(Any, connection).pool.connection() as raw:
            assert raw.execute("SHOW search_path").fetchone() == ("pg_catalog",)
            with pytest.raises(psycopg.errors.UndefinedTable):
                raw.execute("SELECT * FROM accounts_user")


def test_migrations_choose_schemas_themselves(db: None, globex: Tenant) -> None:
    with entered(EXPLICIT), schema_context(globex.schema_name):
        assert emails() == cast_of(globex)
        assert "public" not in search_path()
