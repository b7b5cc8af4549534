"""What has come of one reply, and how much of it may come."""

from collections.abc import Mapping, Sequence
from typing import Final

from llm.events import ReasoningDelta, TextDelta

# Characters of text and reasoning that any reply may have, and those for each token an
# agent allows. No tokenizer makes ordinary text of tokens that long.
_ALWAYS: Final = 1024 * 1024
_PER_TOKEN: Final = 16


class Reply:
    """The pieces that were passed on; `full` once no more may follow.

    A provider may stream without end, whatever limit it was asked to keep.
    """

    __slots__ = ("_room", "pieces")

    def __init__(self, parameters: Mapping[str, object]) -> None:
        allowed = [
            parameters.get(name) for name in ("max_tokens", "max_completion_tokens")
        ]
        self._room = max(_ALWAYS, *(_PER_TOKEN * n for n in allowed if _is_int(n)))
        self.pieces: list[str] = []

    @property
    def full(self) -> bool:
        return self._room <= 0
