"""The events of a turn that runs in this process, in memory; any number of readers.

The producer never waits for a reader: a slow one only falls behind in a list that is
kept anyway until the turn is over. The flusher copies the list into PostgreSQL, and
makes it smaller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from chat.turns.events import TurnEvent, merged

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
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    def leave(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        left = self._heard + self._quiet - self._loop.time()
        if left <= 0:
            left = self._quiet
            self._heard = self._loop.time()
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(False)
        self._timer = self._loop.call_later(left, self._look)


class Cursor:
    """How much of a log its owner has had; moves along when the log is made smaller."""

    __slots__ = ("position",)

    def __init__(self, position: int = 0) -> None:
        self.position = position


class TurnLog:
    """Belongs to one event loop. `encoder` makes what encodes the frames that readers
    of the plain stream share; each is given every event once, in order."""

    def __init__(self, encoder: Callable[[], Encode]) -> None:
        # Append-only; `compact` joins neighbouring deltas.
        self.events: list[TurnEvent] = []
        self.closed = False
        self.read_once = asyncio.Event()
        self._waiting: set[_Reader] = set()
        self._cursors: set[Cursor] = set()
        self._joined = 0
        self._encoder = encoder
        # In one piece: a bytes object for each token would weigh more than its text.
        self._frames = bytearray()
        self._encode = encoder()
        self._framed = Cursor()
        self._places: set[Cursor] = set()

    def append(self, *events: TurnEvent) -> None:
        self.events += events
        self._wake()

    def close(self) -> None:
        """Nothing more will come; readers end after what is there."""
        self.closed = True
        self._wake()

    def read(self, quiet: float) -> AsyncGenerator[list[TurnEvent], None]:
        """See `Readable.read`."""
        return self._follow(self._reading(), quiet, [])

    def frames(self, quiet: float) -> AsyncGenerator[bytes, None]:
        """As `read`, encoded: what is due together is one piece of bytes."""
        return self._follow(self._sharing(), quiet, b"")

    def cursor(self) -> Cursor:
        """A new one at the beginning, which `compact` respects."""
        cursor = Cursor()
        self._cursors.add(cursor)
        return cursor

    def compact(self) -> None:
        """Join the deltas that everybody has had, drop the frames that everybody sent:
        a token as an event of its own, with its frame, weighs forty times its text."""
        sent = min((place.position for place in self._places), default=0)
        del self._frames[:sent]
        for place in self._places:
            place.position -= sent
        had = min(
            cursor.position for cursor in (*self._cursors, Cursor(len(self.events)))
        )
        joined = list(merged(self.events[self._joined : had]))
        self.events[self._joined : had] = joined
        gone = had - self._joined - len(joined)
        self._joined += len(joined)
        for cursor in self._cursors:
            cursor.position -= gone

    @contextmanager
    def _reading(self) -> Iterator[Callable[[], list[TurnEvent]]]:
        """What gives the events that are new since its last call."""
        cursor = self.cursor()

        def news() -> list[TurnEvent]:
            new = self.events[cursor.position :]
            cursor.position += len(new)
            return new

        try:
            yield news
        finally:
            self._cursors.discard(cursor)

    @contextmanager
    def _sharing(self) -> Iterator[Callable[[], bytes]]:
        """What gives the frames that are new since its last call.

        Whoever comes while others read gets what they had encoded for itself, once; an
        encoder knows nothing but the events it was given, so that theirs goes on.
        """
        missed = self.events[: self._framed.position]
        replay = self._encoder()(missed) if missed else b""
        place = Cursor(len(self._frames))
        self._places.add(place)
        self._cursors.add(self._framed)

        def news() -> bytes:
            nonlocal replay
            if new := self.events[self._framed.position :]:
                self._framed.position += len(new)
                piece = self._encode(new)
                if len(self._places) == 1 and len(self._frames) == place.position:
                    # Nobody else waits for them.
                    if replay:
                        piece, replay = replay + piece, b""
                    return piece
                self._frames += piece
            piece = bytes(self._frames[place.position :])
            place.position = len(self._frames)
            if replay:
                piece, replay = replay + piece, b""
            return piece

        try:
            yield news
        finally:
            self._places.discard(place)
            if not self._places:
                self._forget_frames()

    def _forget_frames(self) -> None:
        self._cursors.discard(self._framed)
        self._framed.position = 0
        self._frames.clear()
        self._encode = self._encoder()

    async def _follow(
        self,
        joining: AbstractContextManager[Callable[[], Piece]],
        quiet: float,
        nothing: Piece,
    ) -> AsyncGenerator[Piece, None]:
        self.read_once.set()
        reader = _Reader(quiet)
        with joining as news:
            try:
                while True:
                    if batch := news():
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
