"""One call's deadlines, by one timer that is rarely touched."""

import asyncio
from typing import Final

from llm.client import Timeouts
from llm.exchange import Exchange

# Seconds to wait for the usage after the finish reason.
_WAIT_FOR_USAGE: Final = 3.0


class DeadlineError(Exception):
    """The provider was silent for too long."""


class Clock:
    """The moment (loop time) until which the provider may stay silent.

    `note` only notes a later moment; the timer finds out when it fires. What it
    then does is make the answer's body raise `DeadlineError`, so that reading needs
    no timeout around it. `waiting` is whether we wait for the provider: while our own
    reader is busy elsewhere, silence is not the provider's.
    """

    __slots__ = (
        "_answer",
        "_due",
        "_end",
        "_handle",
        "_idle",
        "_loop",
        "_pieces",
        "at",
        "waiting",
    )

    def __init__(self, timeouts: Timeouts) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = timeouts.idle
        now = self._loop.time()
        self._end = now + timeouts.total
        self.at = min(now + timeouts.first_token, self._end)
        self.waiting = False
        self._pieces = 0
        self._answer: Exchange | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._due = self.at

    def watch(self, answer: Exchange) -> None:
        """From now on expire by making `answer` raise."""
        self._answer = answer
        self._set(self.at)

    def note(self, pieces: int, finished: bool) -> None:
        """After each read: how many pieces have come, and whether only usage misses."""
        if finished:
            self.at = min(self._loop.time() + _WAIT_FOR_USAGE, self.at)
        elif pieces > self._pieces:
            self._pieces = pieces
            self.at = min(self._loop.time() + self._idle, self._end)
        if self.at < self._due:
            self._set(self.at)

    def stop(self) -> None:
        """Never fire again."""
        if self._handle is not None:
            self._handle.cancel()

    def _set(self, due: float) -> None:
        self.stop()
        self._due = due
        self._handle = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        now = self._loop.time()
        if now >= self._end or (self.waiting and now >= self.at):
            if self._answer is not None:
                self._answer.fail(DeadlineError())
            return
        self._set(min(self.at if self.at > now else now + self._idle, self._end))
