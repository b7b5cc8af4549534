"""People are changed by services that hold when two admins act at once."""

from __future__ import annotations

import asyncio

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.services import create_user, update_user
from tenants.db import entered, unit
from tenants.models import Tenant
from tests.factories import PASSWORD, person


def test_the_last_owner_cannot_step_down(db: None, acme: Tenant) -> None:
    owner, member = person(acme, "owner"), person(acme, "member")
    with entered(acme.scope):
        for change in ({"role": "admin"}, {"is_active": False}):
            with pytest.raises(ValidationError, match="last active owner"):
                update_user(user=person(acme, "owner"), **change)
        update_user(user=member, role="owner")
        update_user(user=member, is_active=False)
        with pytest.raises(ValidationError, match="last active owner"):
            update_user(user=person(acme, "owner"), role="member")
        update_user(user=person(acme, "owner"), name="Olga")
        owner.refresh_from_db()
        assert (owner.role, owner.is_active, owner.name) == ("owner", True, "Olga")


def test_two_owners_who_demote_each_other_leave_one(
    committed: None, acme: Tenant
) -> None:
    with entered(acme.scope):
        update_user(user=person(acme, "member"), role="owner")

    def demote(name: str) -> bool:
        try:
            update_user(user=person(acme, name), role="member")
        except ValidationError:
            return False
        return True

    async def go() -> list[bool]:
        both = (unit(acme.scope, demote, name) for name in ("owner", "member"))
        return await asyncio.gather(*both)

    for _ in range(5):
        assert sorted(asyncio.run(go())) == [False, True]
        with entered(acme.scope):
            assert User.objects.active_owners().count() == 1
            for name in ("owner", "member"):
                update_user(user=person(acme, name), role="owner")


def test_a_change_keeps_what_somebody_else_changed(db: None, acme: Tenant) -> None:
    with entered(acme.scope):
        seen, seen_too = person(acme, "member"), person(acme, "member")
        update_user(user=seen, name="Meg")
        update_user(user=seen_too, role="admin")
        member = person(acme, "member")
        assert (member.name, member.role) == ("Meg", "admin")


@pytest.mark.parametrize(
    "change",
    [
        {"role": "king"},
        {"email": "no address"},
        {"email": "STRANGER@acme.test"},
        {"name": "a" * 151},
    ],
)
def test_a_malformed_change_is_refused(
    change: dict[str, str], db: None, acme: Tenant
) -> None:
    with entered(acme.scope), pytest.raises(ValidationError):
        update_user(user=person(acme, "member"), **change)


def test_an_address_is_taken_once_whoever_is_faster(
    committed: None, acme: Tenant, globex: Tenant
) -> None:
    def make() -> bool:
        try:
            create_user(email="New@acme.test", password=PASSWORD)
        except ValidationError:
            return False
        return True

    async def go(tenant: Tenant) -> list[bool]:
        return await asyncio.gather(*(unit(tenant.scope, make) for _ in range(4)))

    assert sum(asyncio.run(go(acme))) == 1
    assert sum(asyncio.run(go(globex))) == 1, "another tenant's people do not matter"
