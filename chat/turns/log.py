"""The events of a turn that runs in this process, in memory; any number of readers.

The producer never waits for a reader: a slow one only falls behind in a list that is
kept anyway until the turn is over. The flusher copies the list into PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol, TypeVar

from chat.turns.events import TurnEvent

Piece = TypeVar("Piece", list[TurnEvent], bytes)
Encode = Callable[[list[TurnEvent]], bytes]


class Readable(Protocol):
    """Where a turn can be read from its beginning: this process's memory, the log in
    PostgreSQL, or the stored reply."""

    def read(self, quiet: float) -> AsyncGenerator[list[TurnEvent], None]:
        """Batches from the first event on; an empty one after `quiet` seconds
        without any. Ends after the turn's last event."""
        ...


class _Reader:
    """One reader's waiting. Its timer is set anew once in `quiet` seconds and not for
    each piece of news, of which there may be hundreds a second."""

    def __init__(self, quiet: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._quiet = quiet
        self._heard = self._loop.time()
        self._waiter: asyncio.Future[bool] | None = None
        self._timer = self._loop.call_later(quiet, self._look)

    async def news(self) -> bool:
        """True as soon as there is some, False after a quiet time without any."""
        self._waiter = self._loop.create_future()
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        self._heard = self._loop.time()
        self._answer(True)

    def leave(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        left = self._heard + self._quiet - self._loop.time()
        if left <= 0:
            left = self._quiet
            self._heard = self._loop.time()
            self._answer(False)
        self._timer = self._loop.call_later(left, self._look)

    def _answer(self, news: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(news)


class TurnLog:
    """Append-only. Belongs to one event loop. `encode` makes the frames that all
    readers of the plain stream share; it is given each event once, in order."""

    def __init__(self, encode: Encode) -> None:
        self.events: list[TurnEvent] = []
        self.closed = False
        self.read_once = asyncio.Event()
        self._waiting: set[_Reader] = set()
        self._encode = encode
        # In one piece: a bytes object for each token would weigh more than its text.
        self._frames = bytearray()
        self._framed = 0

    def append(self, *events: TurnEvent) -> None:
        self.events.extend(events)
        self._wake()

    def close(self) -> None:
        """Nothing more will come; readers end after what is there."""
        self.closed = True
        self._wake()

    def read(self, quiet: float) -> AsyncGenerator[list[TurnEvent], None]:
        """See `Readable.read`."""
        return self._follow(lambda position: self.events[position:], quiet, [])

    def frames(self, quiet: float) -> AsyncGenerator[bytes, None]:
        """As `read`, encoded: what is due together is one piece of bytes."""
        return self._follow(self._frames_from, quiet, b"")

    def _frames_from(self, position: int) -> bytes:
        if self._framed < len(self.events):
            new = self.events[self._framed :]
            self._framed = len(self.events)
            self._frames += self._encode(new)
        return bytes(self._frames[position:])

    async def _follow(
        self, news: Callable[[int], Piece], quiet: float, nothing: Piece
    ) -> AsyncGenerator[Piece, None]:
        position = 0
        self.read_once.set()
        reader = _Reader(quiet)
        try:
            while True:
                if batch := news(position):
                    position += len(batch)
                    yield batch
                elif self.closed:
                    return
                else:
                    self._waiting.add(reader)
                    if not await reader.news():
                        yield nothing
        finally:
            self._waiting.discard(reader)
            reader.leave()

    def _wake(self) -> None:
        for reader in self._waiting:
            reader.wake()
        self._waiting.clear()
