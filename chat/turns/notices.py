"""News between processes, over PostgreSQL's NOTIFY: one listening connection each.

Nothing depends on a notice alone: who waits for one also looks for itself from time to
time, because a connection may be away just then.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog

from chat.services.progress import CHANNEL

logger = structlog.get_logger(__name__)

_RECONNECT_SECONDS = 1.0
Notice = dict[str, Any]


class Notices:
    """Listens as long as `run` is running. `handle` gets each notice, in the loop."""

    def __init__(self, url: str, handle: Callable[[Notice], None]) -> None:
        self._url = url
        self._handle = handle
        self._waiting: defaultdict[tuple[str, str], set[asyncio.Event]]
        self._waiting = defaultdict(set)
        self.listening = False

    @contextmanager
    def news_of(self, schema_name: str, turn_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when another process has flushed or ended the turn;
        whoever waits clears it."""
        key, event = (schema_name, turn_id), asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    async def run(self) -> None:
        """Listen until cancelled, through any number of lost connections."""
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                logger.warning("notices interrupted", error=type(error).__name__)
            finally:
                self.listening = False
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}".encode())
            self.listening = True
            # What came while we were away is gone: everybody looks once.
            for events in self._waiting.values():
                for event in events:
                    event.set()
            async for received in connection.notifies():
                self._receive(received.payload)

    def _receive(self, payload: str) -> None:
        try:
            notice: Notice = json.loads(payload)
            key = (notice["schema"], notice["turn"])
            kind = notice["kind"]
        except (ValueError, KeyError, TypeError):
            logger.warning("notice not understood")
            return
        if kind in {"flushed", "ended"}:
            for event in self._waiting.get(key, ()):
                event.set()
        self._handle(notice)
