"""What a server does for its tenants now and then: writing search columns anew, and
removing what was archived long ago. Every process runs one; all of it is safe to run
anywhere at once, and whoever comes first does it.
"""

from __future__ import annotations

import asyncio
import random

import structlog
from django.db import DatabaseError, InterfaceError

from chat.services.indexing import reindex_some
from chat.services.retention import BATCH, purge_some
from tenants.db import PUBLIC, Scope, unit
from tenants.models import Tenant

logger = structlog.get_logger(__name__)

_INDEX_SECONDS = 20.0
_PURGE_SECONDS = 3600.0


class Housekeeper:
    """One per process."""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        # Soon after the start, as nobody knows when the last process did it.
        purge_at = loop.time() + _INDEX_SECONDS
        while True:
            # Not all processes at the same moment.
            await asyncio.sleep(_INDEX_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
            purge = loop.time() >= purge_at
            if purge:
                purge_at = loop.time() + _PURGE_SECONDS
            await self._round(purge)

    async def _round(self, purge: bool) -> None:
        try:
            for target in await unit(PUBLIC, active_tenants):
                await self._keep(target, purge)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("housekeeping put off", error=type(error).__name__)
        except Exception:  # the edge of a task that must go on
            logger.exception("housekeeping failed")

    async def _keep(self, target: Scope, purge: bool) -> None:
        while await unit(target, reindex_some):
            pass
        while purge and await unit(target, purge_and_tell) == BATCH:
            pass


def active_tenants() -> list[Scope]:
    """A suspended tenant's data stays as it is. Runs in the public scope."""
    active = Tenant.objects.filter(status=Tenant.Status.ACTIVE)
    return [tenant.scope for tenant in active]


def purge_and_tell() -> int:
    count = purge_some()
    if count:
        logger.info("archived conversations purged", count=count)
    return count
