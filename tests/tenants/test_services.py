"""A tenant is made whole or not at all."""

from __future__ import annotations

import asyncio

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from agents.models import Agent, Provider
from tenants.db import PUBLIC, entered, unit
from tenants.models import Domain, Tenant
from tenants.services import NewTenant, create_tenant, set_status
from tests.factories import PASSWORD


def schemas() -> set[str]:
    with entered(PUBLIC), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'")
        return {name for (name,) in cursor.fetchall()}


def rows() -> tuple[set[str], set[str]]:
    with entered(PUBLIC):
        return (
            set(Tenant.objects.values_list("slug", flat=True)),
            set(Domain.objects.values_list("domain", flat=True)),
        )


def fail(new: NewTenant) -> None:
    """A provisioner of an upper layer that breaks after the tables are made."""
    assert User.objects.filter(email=new.owner_email).exists()
    raise ZeroDivisionError


def test_a_new_tenant_can_chat_at_once(db: None) -> None:
    tenant = create_tenant(
        slug="new-one", owner_email="Boss@New.test", owner_password=PASSWORD
    )
    assert (tenant.schema_name, tenant.name) == ("t_new_one", "new-one")
    assert rows()[1] >= {"new-one.localhost"}
    with entered(tenant.scope):
        owner = User.objects.get()
        assert (owner.email, owner.role) == ("boss@new.test", "owner")
        assert owner.check_password(PASSWORD)
        assert Provider.objects.get().kind == "local"
        agent = Agent.objects.select_related("revision").get()
        assert agent.is_default
        assert agent.revision is not None
        assert Provider.objects.offers(agent.revision.model)


def test_spaces_do_not_matter_and_a_password_may_come_later(db: None) -> None:
    tenant = create_tenant(slug=" new\n", owner_email=" boss@new.test ", domain=" ")
    assert (tenant.slug, tenant.schema_name) == ("new", "t_new")
    assert "new.localhost" in rows()[1]
    with entered(tenant.scope):
        assert not User.objects.get().has_usable_password()


def test_a_status_is_changed_from_any_scope(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    with entered(globex.scope):
        assert User.objects.exists()
        set_status(tenant=acme, status=Tenant.Status.SUSPENDED)
    with entered(PUBLIC):
        statuses = Tenant.objects.values_list("slug", "status")
        assert dict(statuses) == {"acme": "suspended", "globex": "active"}


def test_a_failure_leaves_nothing_behind(committed: None, settings: Settings) -> None:
    before = schemas(), rows()
    settings.TENANT_PROVISIONERS = [
        *settings.TENANT_PROVISIONERS,
        f"{__name__}.fail",
    ]
    with pytest.raises(ZeroDivisionError):
        create_tenant(slug="new", owner_email="boss@new.test")
    assert (schemas(), rows()) == before


def test_two_at_once_get_one_tenant(committed: None) -> None:
    def make(owner: str) -> str:
        try:
            create_tenant(slug="new", owner_email=owner)
        except ValidationError as error:
            return str(error.message)
        return "made"

    async def go() -> list[str]:
        calls = [unit(PUBLIC, make, f"{number}@new.test") for number in range(2)]
        return await asyncio.gather(*calls)

    answers = asyncio.run(go())
    assert answers.count("made") == 1
    assert "t_new" in schemas()


@pytest.mark.parametrize(
    "values",
    [
        {"slug": "acme"},
        {"slug": ""},
        {"slug": "Upper"},
        {"slug": "under_score"},
        {"slug": "-hyphen"},
        {"slug": "1digit"},
        {"slug": "a" * 41},
        {"slug": "a;drop schema public"},
        {"slug": "ne w"},
        {"domain": "acme.localhost"},
        {"domain": "ACME.localhost"},
        {"domain": "http://new.test"},
        {"domain": "new.test:8000"},
        {"domain": "localhost"},
        {"domain": "a" * 300},
        {"owner_email": "no address"},
        {"owner_password": "12345"},
    ],
)
def test_what_is_malformed_or_taken_is_refused(
    values: dict[str, str], db: None
) -> None:
    before = schemas(), rows()
    wanted = {"slug": "new", "owner_email": "boss@new.test", **values}
    with pytest.raises(ValidationError):
        create_tenant(**wanted)
    assert (schemas(), rows()) == before
