"""What readers of a turn see, in order:

Opened, Titled?, (llm.events.TextDelta | ReasoningDelta)*, Completed | Aborted | Errored
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import cast

from llm.events import FinishReason, ReasoningDelta, TextDelta, Usage


@dataclass(frozen=True, slots=True)
class Opened:
    message_id: str
    conversation_id: str
    user_message_id: str
    agent_id: int
    model: str


@dataclass(frozen=True, slots=True)
class Titled:
    conversation_id: str
    title: str


@dataclass(frozen=True, slots=True)
class Completed:
    """`model` is the one that answered, which may be a fallback."""

    reason: FinishReason
    usage: Usage
    cost: Decimal | None
    model: str


@dataclass(frozen=True, slots=True)
class Aborted:
    """Ended by a person or by a server that goes down; the text so far is kept."""

    reason: str


@dataclass(frozen=True, slots=True)
class Errored:
    code: str
    text: str


TurnEvent = Opened | Titled | TextDelta | ReasoningDelta | Completed | Aborted | Errored

# What a person is told of a fault of ours; the log has the rest.
INTERNAL = Errored("internal_error", "Something went wrong here. Please try again.")


def merged(events: Iterable[TurnEvent]) -> Iterator[TurnEvent]:
    """Neighbouring deltas of one kind as one: what is due together travels so."""
    for kind, group in groupby(events, type):
        if kind is TextDelta or kind is ReasoningDelta:
            deltas = cast(Iterator[TextDelta | ReasoningDelta], group)
            yield kind("".join(delta.text for delta in deltas))
        else:
            yield from group
