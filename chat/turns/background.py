"""What each server process keeps running beside its requests: the runner of turns, the
flusher of their logs, the listener for notices, the sweeper, the housekeeper."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from django.conf import settings

from agents.asking import client
from chat.announcements import NEWS, announce
from chat.housekeeping import Housekeeper
from chat.sse import PartEncoder
from chat.turns.audience import Audience
from chat.turns.flusher import Flusher
from chat.turns.log import Encode
from chat.turns.notices import Notice, Notices
from chat.turns.runner import Runner
from chat.turns.sampler import Sampler
from chat.turns.sweeper import Sweeper
from usage import mailing

# A reader elsewhere asks again each second; two missed ones are forgiven.
_WATCH_SECONDS = 3.0


class Background:
    """One per process. Without `start` turns still run, are read and stored here; what
    is missing is other processes."""

    def __init__(self) -> None:
        self.runner = Runner(client(), encoder=_encoder, limit=settings.TURN_LIMIT)
        self.notices: Notices | None = None
        self.audience = Audience(self.runner)
        self._flusher = Flusher(self.runner)
        self._tasks: list[asyncio.Task[None]] = []
        self._announcing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.notices = Notices(settings.DATABASE_URL, self._handle)
        sweeper, sampler = Sweeper(self.runner), Sampler(self.runner, self.notices)
        self._tasks = [
            asyncio.create_task(work)
            for work in (
                self.notices.run(),
                self._flusher.run(),
                sweeper.run(),
                sampler.run(),
                self.audience.run(),
                Housekeeper().run(),
                *([mailing.mail_warnings()] if mailing.is_configured() else []),
            )
        ]

    async def stop(self) -> None:
        """Turns first, since their end needs nothing else to be running."""
        await self.runner.shut_down(settings.TURN_SHUTDOWN_GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _handle(self, notice: Notice) -> None:
        kind = notice["kind"]
        live = self.runner.turn(notice["schema"], notice["turn"])
        if kind == "stop" and live is not None:
            live.end("stopped")
        elif kind == "watch" and live is not None:
            live.watched_until = asyncio.get_running_loop().time() + _WATCH_SECONDS
            self._flusher.follow_closely()
        elif kind == "unshared":
            self.audience.check_soon()
        elif kind in NEWS:
            self._announce(announce(notice))

    def _announce(self, announcing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(announcing)
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)


def _encoder() -> Encode:
    return PartEncoder().encode


_background: Background | None = None


def get_background() -> Background:
    """The one of this process."""
    global _background
    if _background is None:
        _background = Background()
    return _background
