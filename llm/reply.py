"""What has come of one reply, and how much of it may come."""

from collections.abc import Mapping
from typing import Final

# Characters of text and reasoning that any reply may have, and those for each token an
# agent allows: ordinary text has about four.
_ALWAYS: Final = 1024 * 1024
_PER_TOKEN: Final = 16
_LIMITS: Final = ("max_tokens", "max_completion_tokens")


class Reply:
    """The pieces that were passed on; `full` once no more may follow.

    A provider may stream without end, whatever limit it was asked to keep.
    """

    __slots__ = ("_room", "full", "pieces")

    def __init__(self, parameters: Mapping[str, object]) -> None:
        given = [parameters.get(name) for name in _LIMITS]
        tokens = max((n for n in given if isinstance(n, int)), default=0)
        self._room = max(_ALWAYS, _PER_TOKEN * tokens)
        self.full = False
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def take(self, piece: str) -> str:
        """What of `piece` there is room for; it is then part of the reply."""
        size = len(piece)
        if size > self._room:
            piece, size = piece[: self._room], self._room
            self.full = True
        self._room -= size
        if piece:
            self.pieces.append(piece)
        return piece
