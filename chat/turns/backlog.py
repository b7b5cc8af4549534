"""What PostgreSQL does not have yet of a running turn's events."""

from __future__ import annotations

from typing import Any

from chat.turns.codec import to_json
from chat.turns.events import TurnEvent
from chat.turns.log import TurnLog


class Backlog:
    """Rows for the log in PostgreSQL, with their numbers; neighbouring deltas are one.

    A batch is given again, unchanged, until `stored` says that it is there: a commit
    whose answer was lost is repeated, and readers then know by its numbers what they
    have seen.
    """

    def __init__(self, log: TurnLog) -> None:
        # The number of the next row that is not known to be stored.
        self.position = 0
        self._log = log
        self._taken = log.cursor()
        self._batch: list[list[Any]] = []

    def __bool__(self) -> bool:
        return bool(self._batch) or self._taken.position < len(self._log.events)

    def batch(self) -> list[list[Any]]:
        """The rows to store next; empty when there is nothing new."""
        if not self._batch:
            self._batch = to_json(self._log.events[self._taken.position :])
            self._taken.position = len(self._log.events)
        return self._batch

    def stored(self) -> None:
        """The batch is in the database."""
        self.position += len(self._batch)
        self._batch = []

    def rest(self, last: TurnEvent) -> list[list[Any]]:
        """All rows that are left, for the transaction that ends the turn."""
        return self._batch + to_json([*self._log.events[self._taken.position :], last])
