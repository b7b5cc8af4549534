"""Copies the logs of this process's running turns into PostgreSQL.

One transaction for each tenant and tick. The same write is the heartbeat, and its
answer says which turns somebody wants stopped. When the database is away nothing is
lost: the events stay in memory and the next tick takes them.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError

from chat import metrics
from chat.services.progress import Progress, write_progress
from chat.turns.live import LiveTurn
from chat.turns.runner import Runner
from llm.errors import ProviderKeyRevoked
from tenants.db import Scope, unit

logger = structlog.get_logger(__name__)


class Flusher:
    """One per process."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._closely = asyncio.Event()

    def follow_closely(self) -> None:
        """A reader in another process has come: do not sleep out the long tick."""
        self._closely.set()

    async def run(self) -> None:
        while True:
            await self._sleep()
            await self.flush()

    async def flush(self) -> None:
        """Write what is new, tenant by tenant."""
        by_tenant: defaultdict[Scope, list[LiveTurn]] = defaultdict(list)
        for live in self._runner.running():
            by_tenant[live.plan.scope].append(live)
        for target, turns in by_tenant.items():
            try:
                await self._flush_tenant(target, turns)
            except (OperationalError, InterfaceError) as error:
                metrics.FLUSH_FAILURES.inc()
                logger.warning(
                    "flush put off",
                    schema=target.schema_name,
                    turns=len(turns),
                    error=type(error).__name__,
                )
            except Exception:  # one tenant must not keep the others from their flush
                metrics.FLUSH_FAILURES.inc()
                logger.exception("flush failed", schema=target.schema_name)

    async def _sleep(self) -> None:
        loop = asyncio.get_running_loop()
        watched = any(
            live.watched_until > loop.time() for live in self._runner.running()
        )
        if watched:
            await asyncio.sleep(settings.TURN_FLUSH_CLOSE_SECONDS)
            return
        self._closely.clear()
        try:
            async with asyncio.timeout(settings.TURN_FLUSH_SECONDS):
                await self._closely.wait()
        except TimeoutError:
            return

    async def _flush_tenant(self, target: Scope, turns: list[LiveTurn]) -> None:
        now = asyncio.get_running_loop().time()
        async with AsyncExitStack() as held:
            batch: list[tuple[LiveTurn, Progress]] = []
            for live in turns:
                if live.writing.locked():  # it is being stored as ended
                    continue
                await held.enter_async_context(live.writing)
                batch.append((live, _progress(live, now)))
            if not batch:
                return
            taken_at = time.monotonic()
            with metrics.FLUSH_DURATION.time():
                answer = await unit(target, write_progress, [p for _, p in batch])
            for live, progress in batch:
                live.backlog.stored()
                live.log.compact()
                live.begun = live.begun or progress.begins
                live.flushed_at = taken_at
        for live, progress in batch:
            if progress.turn_id in answer.stop:
                live.end("stopped")
            elif progress.turn_id in answer.revoked:
                live.fail(ProviderKeyRevoked())
            elif progress.turn_id in answer.gone:
                # Ended in the database by somebody who thought us dead.
                live.end("interrupted")


def _progress(live: LiveTurn, now: float) -> Progress:
    return Progress(
        turn_id=live.plan.turn_id,
        position=live.backlog.position,
        rows=live.backlog.batch(),
        first_token_at=live.first_token_at,
        begins=live.first_token_at is not None and not live.begun,
        watched=live.watched_until > now,
    )
