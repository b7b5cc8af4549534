"""Reads once a second what nobody counts as it happens: turns that run, the pool, how
far the flusher is behind, how late the event loop is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog
from django.db import connections

from chat import metrics
from chat.turns.notices import Notices
from chat.turns.runner import Runner
from llm import is_loaded

logger = structlog.get_logger(__name__)

SAMPLE_SECONDS = 1.0


class Sampler:
    """One per process."""

    def __init__(self, runner: Runner, notices: Notices) -> None:
        self._runner = runner
        self._notices = notices

    async def run(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            try:
                self.sample()
            except Exception:  # the edge of a task that must go on
                logger.exception("sampling failed")
            due = now() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            metrics.LOOP_LAG.observe(max(0.0, now() - due))

    def sample(self) -> None:
        """Set this process's gauges; they replace those of a dead process that had
        the same id."""
        metrics.PROCESSES.set(1)
        metrics.READY.set(is_loaded())
        metrics.LIVE_TURNS.set(len(self._runner.running()))
        metrics.TURN_LIMIT.set(self._runner.limit)
        metrics.LISTENING.set(self._notices.listening)
        metrics.FLUSH_LAG.set(_flush_lag(self._runner))
        pool: Any = connections["default"].pool  # type: ignore[attr-defined]  # PostgreSQL's wrapper
        _sample_pool(pool)


def _flush_lag(runner: Runner) -> float:
    """Events carry no times, which would cost something for each token: a turn's
    unwritten ones are at most as old as its last write."""
    now = time.monotonic()
    behind = [now - live.flushed_at for live in runner.running() if live.backlog]
    return max(behind, default=0.0)


def _sample_pool(pool: Any) -> None:
    # Counters come as what was added since the last call; all are absent while zero.
    stats: dict[str, int] = pool.pop_stats()
    size = stats.get("pool_size", 0)
    metrics.POOL_SIZE.set(size)
    metrics.POOL_LIMIT.set(stats.get("pool_max", 0))
    metrics.POOL_IN_USE.set(size - stats.get("pool_available", 0))
    metrics.POOL_WAITING.set(stats.get("requests_waiting", 0))
    metrics.POOL_QUEUED.inc(stats.get("requests_queued", 0))
    metrics.POOL_QUEUED_SECONDS.inc(stats.get("requests_wait_ms", 0) / 1000)
    metrics.POOL_ERRORS.inc(stats.get("requests_errors", 0))
