"""Which tenant the running code works for, and the only door from async code to the
ORM.

`current` is the single truth: the database engine, the cache, the storage and the
logs all follow it. It is set from the Host (tenants.middleware, tenants.asgi), by
`entered` in commands, and by `unit` for work sent to a database thread.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")

# As many as half the pool by default: the other half serves ordinary sync views.
UNIT_THREADS = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """A tenant as the code below the request sees it: plain values, no row.

    `schema_name` is what the engine, keys and logs use; `tenant_id` is the primary
    key in the public schema, 0 for the platform itself.
    """

    schema_name: str
    slug: str
    name: str
    tenant_id: int


PUBLIC = Scope(schema_name="public", slug="", name="Parley", tenant_id=0)
# Lets django-tenants switch schemas by itself: migrations only, never in a server.
EXPLICIT = Scope(schema_name="", slug="", name="", tenant_id=-1)

current: ContextVar[Scope | None] = ContextVar("tenant", default=None)


class NoTenantError(RuntimeError):
    """Code that needs a tenant ran without one. Always a fault of ours."""


def scope() -> Scope:
    """The scope in force. Raises NoTenantError outside any."""
    found = current.get()
    if found is None or found is EXPLICIT:
        raise NoTenantError("No tenant is set for this code.")
    return found


@contextmanager
def entered(target: Scope) -> Iterator[Scope]:
    """Work for `target` inside the block: commands, provisioning, tests."""
    token = current.set(target)
    try:
        yield target
    finally:
        current.reset(token)


_threads = ThreadPoolExecutor(UNIT_THREADS, thread_name_prefix="db-unit")


async def unit(
    target: Scope, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Run `work` for `target` in a database thread and hand its connection back.

    The context is a fresh one: nothing of the request (asgiref's dead executors, the
    wrong tenant) leaks in. If the awaiting task is cancelled the work itself goes on
    to its end, as a thread cannot be interrupted; make it one transaction.
    """
    context = contextvars.Context()
    return await _on_thread(lambda: context.run(_run_unit, target, work, args, kwargs))


async def _on_thread(call: Callable[[], R]) -> R:
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


def _run_unit(
    target: Scope,
    work: Callable[..., R],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> R:
    current.set(target)
    try:
        return work(*args, **kwargs)
    finally:
        connections.close_all()


def detached(target: Scope) -> contextvars.Context:
    """A fresh context that works for `target`, for tasks that outlive a request."""
    context = contextvars.Context()
    context.run(current.set, target)
    return context


def release() -> None:
    """Hand back this thread's connections before it waits for somebody who may need
    one: eight threads that wait with one each would wait for each other."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def close_pools() -> None:
    """At the end of a process: hand back this thread's connections, end the pools."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's wrapper
