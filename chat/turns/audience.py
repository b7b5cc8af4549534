"""Who is listening in this process, to streams and sockets, and whether they still may.

A sign-in, or that a conversation is shared, is checked when a stream or socket opens,
which may then live for hours. Here it is checked again every few seconds, and when a
share has ended, all listeners of a tenant in one database unit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import InterfaceError, OperationalError

from accounts.models import User
from chat.models import Share, Turn
from chat.turns.runner import Runner
from tenants.asgi import load_user
from tenants.db import PUBLIC, Scope, unit
from tenants.models import Tenant

logger = structlog.get_logger(__name__)

CHECK_SECONDS = 5.0


class Listener:
    """One open stream or socket; a stream reads a turn. `leave` is called once, in the
    event loop, when its person was switched off or signed out, or may no longer see the
    conversation, or the tenant was suspended."""

    def __init__(
        self,
        scope: Scope,
        user_id: int,
        leave: Callable[[], None],
        *,
        session_key: str | None = None,
        turn_id: str | None = None,
    ) -> None:
        self.scope = scope
        self.user_id = user_id
        self.session_key = session_key
        self.turn_id = turn_id
        self.leave = leave


class Audience:
    """One per process."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._listeners: set[Listener] = set()
        self._wanted = asyncio.Event()

    def check_soon(self) -> None:
        """Now, and not at the next turn of the clock."""
        self._wanted.set()

    @contextmanager
    def joined(self, listener: Listener) -> Iterator[None]:
        self.add(listener)
        try:
            yield
        finally:
            self.discard(listener)

    def add(self, listener: Listener) -> None:
        self._listeners.add(listener)

    def discard(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._check()
            except (OperationalError, InterfaceError) as error:
                logger.warning("audience not checked", error=type(error).__name__)
            except Exception:  # the edge of a task that must go on
                logger.exception("audience not checked")

    async def _check(self) -> None:
        by_tenant: defaultdict[Scope, list[Listener]] = defaultdict(list)
        for listener in self._listeners:
            by_tenant[listener.scope].append(listener)
        turns = self._runner.running()
        if not by_tenant and not turns:
            return
        suspended = await unit(PUBLIC, suspended_schemas)
        for live in turns:
            if live.plan.scope.schema_name in suspended:
                live.end("stopped")
        for target, listeners in by_tenant.items():
            allowed: set[Listener] = set()
            if target.schema_name not in suspended:
                allowed = await unit(target, still_allowed, listeners)
            for listener in listeners:
                if listener not in allowed and listener in self._listeners:
                    self.discard(listener)
                    listener.leave()


def suspended_schemas() -> set[str]:
    suspended = Tenant.objects.filter(status=Tenant.Status.SUSPENDED)
    return set(suspended.values_list("schema_name", flat=True))


def still_allowed(listeners: list[Listener]) -> set[Listener]:
    """Those of the current tenant whose person is active, may still see what they read
    and, where a session opened them, is still signed in by it."""
    people = User.objects.filter(
        pk__in={listener.user_id for listener in listeners}, is_active=True
    )
    active = set(people.values_list("pk", flat=True))
    barred = _barred(listeners)
    return {
        listener
        for listener in listeners
        if listener.user_id in active
        and listener not in barred
        and (
            listener.session_key is None
            or load_user(listener.session_key).is_authenticated
        )
    }


def _barred(listeners: list[Listener]) -> set[Listener]:
    """Those who read in another person's conversation without a live share. A turn that
    was purged meanwhile bars nobody: its stream ends by itself."""
    turns = Turn.objects.filter(
        pk__in={listener.turn_id for listener in listeners if listener.turn_id}
    ).values_list("pk", "conversation_id", "conversation__owner_id")
    places = {turn: (conversation, owner) for turn, conversation, owner in turns}
    guests = {
        listener: places[listener.turn_id][0]
        for listener in listeners
        if listener.turn_id in places
        and places[listener.turn_id][1] != listener.user_id
    }
    if not guests:
        return set()
    readers = set(Share.objects.readers(set(guests.values())))
    return {
        listener
        for listener, conversation in guests.items()
        if not readers & {(conversation, listener.user_id), (conversation, None)}
    }
