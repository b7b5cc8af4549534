"""What has come of one reply, and how much of it may come."""

from collections.abc import Mapping
from typing import Final

# Characters of text and reasoning that any reply may have, and those for each token an
# agent allows: ordinary text has about four.
_ALWAYS: Final = 1024 * 1024
_PER_TOKEN: Final = 16
# Pieces after which a text becomes one.
_APART: Final = 64
_LIMITS: Final = ("max_tokens", "max_completion_tokens")


class Text:
    """A text that comes in pieces; `count` is how many came.

    Few are kept apart: one with a token in it weighs ten times what it says.
    """

    __slots__ = ("_pieces", "count")

    def __init__(self) -> None:
        self.count = 0
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        self.count += 1
        self._pieces.append(piece)
        if len(self._pieces) > _APART:
            self._pieces = [str(self)]

    def __str__(self) -> str:
        return "".join(self._pieces)


class Reply:
    """The text that was passed on; `full` once no more may follow.

    A provider may stream without end, whatever limit it was asked to keep.
    """

    __slots__ = ("_room", "full", "text")

    def __init__(self, parameters: Mapping[str, object]) -> None:
        given = [parameters.get(name) for name in _LIMITS]
        tokens = max((n for n in given if isinstance(n, int)), default=0)
        self._room = max(_ALWAYS, _PER_TOKEN * tokens)
        self.full = False
        self.text = Text()

    def take(self, piece: str) -> str:
        """What of `piece` there is room for; it is then part of the reply."""
        size = len(piece)
        if size > self._room:
            piece, size = piece[: self._room], self._room
            self.full = True
        self._room -= size
        if piece:
            self.text.add(piece)
        return piece
