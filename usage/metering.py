"""Watches that a running reply keeps to what was reserved for it.

A provider is told the limit, and may ignore it.
"""

from __future__ import annotations

from llm import tokens


class Meter:
    """Counts one reply; `limit` None for no limit.

    A token has at least one byte: as long as the bytes fit there is nothing to count.
    Then the tokenizer says how many tokens they were, which leaves room for more bytes,
    until none is left. So each piece is counted once, in batches.
    """

    def __init__(self, limit: int | None, model: str) -> None:
        self._left = limit
        self._model = model
        self._pieces: list[str] = []
        self._bytes = 0

    def is_over(self, piece: str) -> bool:
        """Take a piece of text or reasoning; True once it is over the limit."""
        if self._left is None:
            return False
        self._pieces.append(piece)
        self._bytes += len(piece.encode("utf-8", "replace"))
        if self._bytes <= self._left:
            return False
        self._left -= tokens.count_text("".join(self._pieces), self._model)
        self._pieces.clear()
        self._bytes = 0
        return self._left < 0
