"""tenants.db.unit: the only way from async code to the ORM."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest
from django.db import connection, transaction

from accounts.models import User
from tenants.db import NoTenantError, current, detached, entered, scope, unit
from tenants.models import Tenant

marker: ContextVar[str] = ContextVar("marker", default="unset")


def first_email() -> str:
    return User.objects.order_by("pk").values_list("email", flat=True)[0]


def test_a_unit_works_for_the_tenant_it_is_given(
    committed: None, acme: Tenant, globex: Tenant
) -> None:
    async def go() -> tuple[str, str]:
        return await unit(acme.scope, first_email), await unit(
            globex.scope, first_email
        )

    with entered(globex.scope):
        assert asyncio.run(go()) == ("owner@acme.test", "owner@globex.test")
    assert current.get() is None


def test_many_units_at_once_never_meet(
    committed: None, acme: Tenant, globex: Tenant
) -> None:
    """Each breaks off, rolls back or commits on the way."""

    def work(number: int) -> str:
        if number % 3 == 0:
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                User.objects.filter(pk=1).update(name="never")
                raise ZeroDivisionError
        elif number % 3 == 1:
            with transaction.atomic():
                User.objects.filter(pk=1).update(name=scope().slug)
        return first_email() + User.objects.exclude(name="").get(pk=1).name

    async def go() -> None:
        for tenant in (acme, globex):
            await unit(tenant.scope, work, 1)
        tenants = [acme, globex] * 100
        found = await asyncio.gather(
            *(unit(t.scope, work, number) for number, t in enumerate(tenants))
        )
        expected = [f"owner@{t.slug}.test{t.slug}" for t in tenants]
        assert found == expected

    asyncio.run(go())


def test_a_unit_hands_its_connection_back(committed: None, acme: Tenant) -> None:
    def work() -> bool:
        assert User.objects.exists()
        return connection.connection is not None

    def is_open() -> bool:
        return connection.connection is not None

    async def go() -> None:
        assert all(await asyncio.gather(*(unit(acme.scope, work) for _ in range(20))))
        opened = await asyncio.gather(*(unit(acme.scope, is_open) for _ in range(20)))
        assert not any(opened)

    asyncio.run(go())


def test_an_error_comes_out_and_the_thread_is_good_again(
    committed: None, acme: Tenant, globex: Tenant
) -> None:
    def fail() -> None:
        User.objects.get(email="nobody")

    async def go() -> list[str]:
        for _ in range(10):
            with pytest.raises(User.DoesNotExist):
                await unit(acme.scope, fail)
        calls = (unit(globex.scope, first_email) for _ in range(10))
        return await asyncio.gather(*calls)

    assert asyncio.run(go()) == ["owner@globex.test"] * 10


def test_a_cancelled_unit_goes_on_to_its_end(committed: None, acme: Tenant) -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.2)
        User.objects.filter(pk=1).update(name="done")

    async def go() -> str:
        task = asyncio.create_task(unit(acme.scope, work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            user = await unit(acme.scope, User.objects.get, pk=1)
            if user.name:
                return user.name
            await asyncio.sleep(0.05)
        return ""

    assert asyncio.run(go()) == "done"


def test_nothing_of_the_caller_leaks_into_a_unit(committed: None, acme: Tenant) -> None:
    async def go() -> str:
        marker.set("of the request")
        return await unit(acme.scope, marker.get)

    assert asyncio.run(go()) == "unset"


def test_a_detached_task_keeps_its_tenant(acme: Tenant, globex: Tenant) -> None:
    async def where() -> str:
        await asyncio.sleep(0)
        return scope().slug

    async def go() -> str:
        current.set(globex.scope)
        marker.set("of the request")
        loop = asyncio.get_running_loop()
        return await loop.create_task(where(), context=detached(acme.scope))

    assert asyncio.run(go()) == "acme"
    assert detached(acme.scope).get(marker) is None


def test_the_loop_itself_is_refused(committed: None) -> None:
    async def go() -> None:
        with pytest.raises(NoTenantError):
            await asyncio.to_thread(first_email)

    asyncio.run(go())
