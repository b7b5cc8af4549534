"""The events of a turn that runs in this process, in memory; any number of readers.

The producer never waits for a reader: a slow one only falls behind in a list that is
kept anyway until the turn is over. The flusher copies the list into PostgreSQL, and
makes it smaller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Generic, Protocol, Self, TypeVar

from chat.turns.events import TurnEvent, merged

Piece = TypeVar("Piece", list[TurnEvent], bytes)
Given_co = TypeVar("Given_co", covariant=True)
Encode = Callable[[list[TurnEvent]], bytes]


class Stream(Protocol[Given_co]):
    """An async iterator that has to be closed, as a generator is."""

    def __aiter__(self) -> AsyncIterator[Given_co]: ...
    def __anext__(self) -> Awaitable[Given_co]: ...
    def aclose(self) -> Coroutine[Any, Any, None]: ...


class Readable(Protocol):
    """Where a turn can be read from its beginning: this process's memory, the log in
    PostgreSQL, or the stored reply."""

    def read(self, quiet: float) -> Stream[list[TurnEvent]]:
        """Batches from the first event on; an empty one after `quiet` seconds
        without any. Ends after the turn's last event."""
        ...


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
        self.waiting: set[_Reader[Any]] = set()
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

    def read(self, quiet: float) -> Stream[list[TurnEvent]]:
        """See `Readable.read`."""
        return _Reader(self, self._reading(), quiet, [])

    def frames(self, quiet: float) -> Stream[bytes]:
        """As `read`, encoded: what is due together is one piece of bytes."""
        return _Reader(self, self._sharing(), quiet, b"")

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

    def _wake(self) -> None:
        for reader in self.waiting:
            reader.wake()
        self.waiting.clear()


class _Reader(Generic[Piece]):
    """One reader of a log: what `joining` gives, from the first step on.

    No generator, and nothing in between: each token passes here. Its timer is set anew
    once in `quiet` seconds and not for each piece of news.
    """

    def __init__(
        self,
        log: TurnLog,
        joining: AbstractContextManager[Callable[[], Piece]],
        quiet: float,
        nothing: Piece,
    ) -> None:
        self._log = log
        self._joining: AbstractContextManager[Callable[[], Piece]] = joining
        self._news: Callable[[], Piece] | None = None
        self._nothing: Piece = nothing
        self._quiet = quiet
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._waiter: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        news: Callable[[], Piece] = self._news or self._join()
        while not (batch := news()):
            if self._log.closed:
                await self.aclose()
                raise StopAsyncIteration
            self._log.waiting.add(self)
            self._waiter = self._loop.create_future()
            if not await self._waiter:
                return self._nothing
        return batch

    async def aclose(self) -> None:
        self._log.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._news is not None:
            self._news = None
            self._joining.__exit__(None, None, None)

    def wake(self) -> None:
        self._heard = self._loop.time()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    def _join(self) -> Callable[[], Piece]:
        self._log.read_once.set()
        self._timer = self._loop.call_later(self._quiet, self._look)
        self._news = self._joining.__enter__()
        return self._news

    def _look(self) -> None:
        left = self._heard + self._quiet - self._loop.time()
        if left <= 0:
            left = self._quiet
            self._heard = self._loop.time()
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(False)
        self._timer = self._loop.call_later(left, self._look)
