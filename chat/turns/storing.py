"""Stores the ends of this process's turns: what ends while others are being stored is
stored next, all of it in one transaction.

A turn that ends alone is stored a millisecond later. When a hundred end together they
share the statements, the commit and the waiting for rows that they all change.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import chain
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError

from chat.services.finishing import TurnEnd, finish_turns
from chat.services.indexing import sort_in
from chat.turns.plan import Settled
from tenants.db import Scope, unit

logger = structlog.get_logger(__name__)

# Of one transaction. What they wrote is sent to the database as one value, which may
# have some hundred megabytes.
_MOST_ENDS = 128
_MOST_CHARACTERS = 4_000_000
# Seconds, and how often an end waits for another one.
_PAUSE, _MOST_PAUSES = 0.001, 10
# Seconds: so often, and no more, a tenant's indexes are seen to.
_SORT_IN_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    end: TurnEnd
    stored: asyncio.Future[Settled | None]


class Storing:
    """One per process."""

    def __init__(self) -> None:
        self._queues: dict[Scope, deque[_Waiting]] = {}
        self._unsorted: set[Scope] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def store(self, end: TurnEnd) -> Settled | None:
        """As `finish_turns`, whose errors of this end it raises, and no other's."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(end, loop.create_future())
        target = end.plan.scope
        queue = self._queues.get(target)
        if queue is None:
            queue = self._queues[target] = deque()
            self._keep(self._store_all(target, queue))
        queue.append(waiting)
        return await waiting.stored

    async def _store_all(self, target: Scope, queue: deque[_Waiting]) -> None:
        """Until no end of this tenant's waits."""
        try:
            await _gathered(queue)
            while queue:
                await _store(target, _some(queue))
        finally:
            del self._queues[target]
        if target not in self._unsorted:
            self._unsorted.add(target)
            self._keep(self._sort_in(target))

    async def _sort_in(self, target: Scope) -> None:
        """Have the new words sorted into the indexes of search, when nobody waits."""
        await asyncio.sleep(_SORT_IN_AFTER)
        self._unsorted.discard(target)
        try:
            await unit(target, sort_in)
        except (DatabaseError, InterfaceError) as error:
            # The next end has it done.
            logger.warning("housekeeping put off", error=type(error).__name__)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _gathered(queue: deque[_Waiting]) -> None:
    """Until no other end comes at the same moment: what a first few would have to
    themselves, all others would wait for."""
    for _ in range(_MOST_PAUSES):
        before = len(queue)
        await asyncio.sleep(_PAUSE)
        if len(queue) == before:
            return


def _some(queue: deque[_Waiting]) -> list[_Waiting]:
    """The next transaction's, at least one."""
    batch = [queue.popleft()]
    characters = _size(batch[0].end)
    while queue and len(batch) < _MOST_ENDS:
        characters += _size(queue[0].end)
        if characters > _MOST_CHARACTERS:
            break
        batch.append(queue.popleft())
    return batch


def _size(end: TurnEnd) -> int:
    """What the model and its tools said, in characters; most of what is sent."""
    values = chain.from_iterable(part.values() for part in end.outcome.parts)
    return sum(len(value) for value in values if isinstance(value, str))


async def _store(target: Scope, batch: list[_Waiting]) -> None:
    try:
        stored = await unit(target, finish_turns, [waiting.end for waiting in batch])
    except Exception as error:  # noqa: BLE001  # raised where the end is waited for
        if len(batch) > 1 and not _is_away(error):
            # Perhaps because of one of them, which must not cost the others theirs.
            for waiting in batch:
                await _store(target, [waiting])
            return
        for waiting in batch:
            if not waiting.stored.done():
                waiting.stored.set_exception(error)
    else:
        for waiting, settled in zip(batch, stored, strict=True):
            if not waiting.stored.done():
                waiting.stored.set_result(settled)


def _is_away(error: Exception) -> bool:
    """Whether PostgreSQL has not even answered, or said that it goes down: the others
    would each wait for a connection in vain."""
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith("57P")
