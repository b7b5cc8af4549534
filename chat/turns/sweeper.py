"""Ends the turns of processes that died, and clears logs nobody needs any more.

Every process runs one; whoever comes first does it. A turn is given up when its
heartbeat stopped, but not when it is the database that was away: then every heartbeat
has stopped, and the living workers need a moment to catch up.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from chat import metrics
from chat.services.progress import drop_old_entries
from chat.services.recovering import recover_turn
from chat.turns.runner import Runner
from tenants.db import PUBLIC, Scope, entered, unit
from tenants.models import Tenant
from usage.services import release_lapsed

logger = structlog.get_logger(__name__)

SWEEP_SECONDS = 4.0
# After a start of the database, or after we could not reach it ourselves.
_GRACE_SECONDS = 15.0
# A look that took so long says more about the database than about the workers.
_SLOW_SECONDS = 2.0
_CLEAR_EVERY = timedelta(minutes=1)
_KEEP_LOGS = timedelta(minutes=5)
# How many schemas one statement looks at.
_CHUNK = 200


class Sweeper:
    """One per process."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._quiet_until = 0.0
        self._cleared_at = timezone.now()
        # What the last round found: only what is silent twice is given up.
        self._suspects: set[str] = set()

    async def run(self) -> None:
        while True:
            # Not all processes at the same moment.
            await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
            await self._round()

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            asked = loop.time()
            stale = await unit(PUBLIC, stale_turns)
            if loop.time() - asked > _SLOW_SECONDS:
                # The database, or we, stood still: so did all heartbeats.
                self._quiet_until = loop.time() + _GRACE_SECONDS
            if loop.time() >= self._quiet_until:
                await self._recover(stale)
            if timezone.now() - self._cleared_at > _CLEAR_EVERY:
                self._cleared_at = timezone.now()
                await unit(PUBLIC, clear_logs)
            metrics.SWEEPS.labels("done").inc()
        except (OperationalError, InterfaceError) as error:
            self._quiet_until = loop.time() + _GRACE_SECONDS
            metrics.SWEEPS.labels("put off").inc()
            logger.warning("sweep put off", error=type(error).__name__)
        except Exception:  # the edge of a task that must go on
            metrics.SWEEPS.labels("failed").inc()
            logger.exception("sweep failed")

    async def _recover(self, stale: list[tuple[Scope, str]]) -> None:
        suspects, self._suspects = self._suspects, {turn_id for _, turn_id in stale}
        for target, turn_id in stale:
            if turn_id not in suspects or self._runner.turn(
                target.schema_name, turn_id
            ):
                continue
            try:
                await unit(target, recover_turn, turn_id=turn_id)
            except (OperationalError, InterfaceError):
                raise
            except Exception:  # one turn must not keep the others from their end
                logger.exception("turn not recovered", turn=turn_id)


def stale_turns() -> list[tuple[Scope, str]]:
    """Running turns of all tenants whose heartbeat stopped; none soon after the
    database started. Runs in the public scope."""
    scopes = {t.schema_name: t.scope for t in Tenant.objects.all()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT now() - pg_postmaster_start_time() > make_interval(secs => %s)",
            [_GRACE_SECONDS],
        )
        if not cursor.fetchone()[0]:
            return []
        found: list[tuple[Scope, str]] = []
        names = list(scopes)
        for start in range(0, len(names), _CHUNK):
            rows = _stale_rows(cursor, names[start : start + _CHUNK])
            found += [(scopes[name], turn_id) for name, turn_id in rows]
    return found


def _stale_rows(cursor: CursorWrapper, names: list[str]) -> list[tuple[str, str]]:
    """(schema, turn id); a schema that cannot be read hides no other one."""
    try:
        cursor.execute(*_stale_in(names))
    except ProgrammingError:
        if len(names) == 1:
            logger.exception("schema not swept", schema=names[0])
            return []
        return [row for name in names for row in _stale_rows(cursor, [name])]
    return list(cursor.fetchall())


def _stale_in(schema_names: list[str]) -> tuple[str, list[str | float]]:
    """One statement over many schemas: a query each would cost a round trip each."""
    quote = connection.ops.quote_name
    parts = [
        f"SELECT %s, id FROM {quote(name)}.chat_turn "  # noqa: S608  # quoted names
        "WHERE status IN ('pending', 'streaming') "
        "AND heartbeat_at < now() - make_interval(secs => %s)"
        for name in schema_names
    ]
    values: list[str | float] = [
        value for name in schema_names for value in (name, settings.TURN_DEAD_AFTER)
    ]
    return " UNION ALL ".join(parts), values


def clear_logs() -> int:
    """Drop the logs of turns that ended some minutes ago, and what calls of our own
    left held of budgets, tenant by tenant; returns the number of log entries."""
    older_than = timezone.now() - _KEEP_LOGS
    removed = 0
    for tenant in Tenant.objects.all():
        with entered(tenant.scope):
            removed += drop_old_entries(older_than=older_than)
            release_lapsed()
    return removed
