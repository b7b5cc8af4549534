"""What readers of a turn see, in order:

Opened, Titled?, Recalled?, (llm.events.TextDelta | ReasoningDelta | what tools do |
StepEnded | CallFailed)*, Completed | Aborted | Errored
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, cast

from django.utils.translation import gettext_noop

from llm.events import FinishReason, ReasoningDelta, TextDelta, Usage
from usage.pricing import UnitPrice


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
class Recalled:
    """What the reply held when a turn went on with it. Whoever reads the turn alone
    needs it; a client that has the message already does not."""

    events: tuple[TurnEvent, ...]


@dataclass(frozen=True, slots=True)
class ToolAsked:
    """The model calls a tool; `input` is JSON, or a text where it wrote no JSON."""

    call_id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The call waits until a person allows it."""

    call_id: str
    approval_id: str


@dataclass(frozen=True, slots=True)
class ToolAllowed:
    """A person has allowed the call, and it is made now."""

    call_id: str


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """`ms` is how long the call took; None where nobody measured it."""

    call_id: str
    output: str
    ms: int | None = None


@dataclass(frozen=True, slots=True)
class ToolFailed:
    """`ms` as above; None too where no call was made."""

    call_id: str
    text: str
    ms: int | None = None


@dataclass(frozen=True, slots=True)
class ToolDenied:
    call_id: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A call of the model is over and another one follows, with what its tools said.
    `usage` is that of the call before."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call of `model` gave no answer and another one follows. Readers are told
    nothing of it; who ends the turn for a dead process has to record it."""

    model: str
    usage: Usage
    price: UnitPrice | None
    duration_ms: int


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
    """`wait` is after how many seconds the provider wants to be asked again, if it
    said so."""

    code: str
    text: str
    wait: int | None = None


ToolEvent = (
    ToolAsked | ApprovalAsked | ToolAllowed | ToolAnswered | ToolFailed | ToolDenied
)
Ending = Completed | Aborted | Errored
TurnEvent = (
    Opened
    | Titled
    | Recalled
    | TextDelta
    | ReasoningDelta
    | ToolEvent
    | StepEnded
    | CallFailed
    | Ending
)

# What a person is told of a fault of ours; the log has the rest.
INTERNAL = Errored(
    "internal_error", gettext_noop("Something went wrong here. Please try again.")
)


def merged(events: Iterable[TurnEvent]) -> Iterator[TurnEvent]:
    """Neighbouring deltas of one kind as one: what is due together travels so."""
    for kind, group in groupby(events, type):
        if kind is TextDelta or kind is ReasoningDelta:
            deltas = cast(Iterator[TextDelta | ReasoningDelta], group)
            yield kind("".join(delta.text for delta in deltas))
        else:
            yield from group
