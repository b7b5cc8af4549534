"""The events of one running turn, in memory; any number of readers.

The producer never waits for a reader: a slow one only falls behind in a list that is
kept anyway until the turn is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from chat.turns.events import TurnEvent


class TurnLog:
    """Append-only. Belongs to one event loop."""

    def __init__(self) -> None:
        self._events: list[TurnEvent] = []
        self._closed = False
        self._changed = asyncio.Event()
        self.read_once = asyncio.Event()

    def append(self, *events: TurnEvent) -> None:
        self._events.extend(events)
        self._wake()

    def close(self) -> None:
        """Nothing more will come; readers end after what is there."""
        self._closed = True
        self._wake()

    async def read(self, quiet: float) -> AsyncGenerator[list[TurnEvent], None]:
        """Batches from the first event on; an empty one after `quiet` seconds
        without any. Ends when the log is closed."""
        position = 0
        self.read_once.set()
        while True:
            changed = self._changed
            if position < len(self._events):
                batch = self._events[position:]
                position += len(batch)
                yield batch
            elif self._closed:
                return
            else:
                try:
                    async with asyncio.timeout(quiet):
                        await changed.wait()
                except TimeoutError:
                    yield []

    def _wake(self) -> None:
        # A new Event for the next round: setting and clearing one would let a reader
        # that is late miss the signal.
        self._changed.set()
        self._changed = asyncio.Event()
